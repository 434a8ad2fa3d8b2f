"""What a session may do: ingress asks at login or connect, and caches the answer."""

import msgspec

from varco_common.base.json_decoding import decode_json
from varco_common.base.subjects import request
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.notice_texts import Notice

LOGIN = request("policy", "login")
NETWORK = request("policy", "network")
INGRESS_NOTICES = (  # what ingress refuses without asking the voters
    Notice.SIZE,
    Notice.SENDER,
    Notice.RECIPIENTS,
    Notice.LINE_END,
    Notice.LINE_LENGTH,
    Notice.LOOP,
    Notice.SMTPUTF8,
    Notice.EIGHT_BIT,
    Notice.LOGIN_STOPPED,
    Notice.SENDING_STOPPED,
)


class LoginQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """`login` and `password` as the client sent them; `server_name` is the SNI name, if any."""

    login: str
    password: str
    host: str
    server_name: str = ""


class NetworkQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Asks whether this host may send without AUTH, and for which account."""

    host: str
    server_name: str = ""


class Grant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="grant"):
    """An account's rules that can refuse a mail before its upload. The vote on the ballot decides.

    `senders` are patterns for `sender_patterns`; sizes are bytes. `texts` has the account's own
    texts of INGRESS_NOTICES. `normalise` and `domain` are the network's. `sequence` is the last
    stream sequence that the rules include.
    """

    account: str
    senders: tuple[str, ...]
    max_size: int
    max_recipients: int
    texts: AccountTexts = AccountTexts()
    normalise: bool = False
    domain: str = ""
    sequence: int = 0


class Denied(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="denied"):
    """No grant. `account` is set if the login exists; `reason` is for operators only.

    `disabled`: the password is right, and the login is disabled. No strike follows.
    """

    account: str = ""
    reason: str = ""
    disabled: bool = False


class Unavailable(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="unavailable"):
    """No answer at present (state catching up, too many logins at once): 4xx, and no strike."""

    reason: str = ""


GrantAnswer = Grant | Denied | Unavailable
encode = msgspec.json.Encoder().encode
_answers: msgspec.json.Decoder[GrantAnswer] = msgspec.json.Decoder(GrantAnswer)


def decode_answer(answer: bytes) -> GrantAnswer:
    """Raises msgspec.DecodeError."""
    return decode_json(_answers, answer)
