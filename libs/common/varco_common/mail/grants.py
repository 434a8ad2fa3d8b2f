"""What a session may do: asked of policy at login or connect, remembered by ingress until the account changes."""

import msgspec

from varco_common.base.subjects import request
from varco_common.mail.notices import Language, Notice

LOGIN = request("policy", "login")
NETWORK = request("policy", "network")


class LoginQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """`login` and `password` as the client gave them, over TLS; `server_name` is the SNI name, if any."""

    login: str
    password: str
    host: str
    server_name: str = ""


class NetworkQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Whether this host may send without AUTH, and for whom."""

    host: str
    server_name: str = ""


class Grant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="grant"):
    """An account's envelope rules: what can be refused before the upload. Policy's vote has the last word.

    `senders` are patterns for `senders.covering`; sizes are bytes. `language` and `notices` (the account's own words)
    are for `notices.notice`. `sequence` is the stream sequence up to which the account's events are in it.
    """

    account: str
    senders: tuple[str, ...]
    max_size: int
    max_recipients: int
    language: Language = Language.EN
    notices: dict[Notice, str] = {}
    normalise: bool = False
    sequence: int = 0


class Denied(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="denied"):
    """No grant. `account` is named where the login exists; `reason` is for operators alone."""

    account: str = ""
    reason: str = ""


class Unavailable(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="unavailable"):
    """Policy can't tell at present (catching up, too many logins at once): the client hears 4xx, never a strike."""

    reason: str = ""


GrantAnswer = Grant | Denied | Unavailable
encode = msgspec.json.Encoder().encode
decode_answer = msgspec.json.Decoder(GrantAnswer).decode
