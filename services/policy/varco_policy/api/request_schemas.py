"""The JSON that policy's API takes. Sections of an account that are left out stay as they are."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
)

from varco_common.base import units
from varco_common.base.mistakes import TIME_EXPECTED
from varco_common.base.time_zones import known_zone
from varco_common.events import AtSharedHosts, Choice, Language, Notice
from varco_common.runtime.request_model import StrictModel
from varco_policy.password_hashes import MAX_PASSWORD_BYTES

MAX_MAIL = 1_000_000_000
MAX_RECIPIENTS = 10_000
MAX_USERS = 20_000

Size = Annotated[
    int,
    BeforeValidator(
        lambda value: units.parse_size(value) if isinstance(value, str) else value, json_schema_input_type=int | str
    ),
    PlainSerializer(units.format_size),
]
HostNameList = Annotated[list[Annotated[str, Field(max_length=255)]], Field(max_length=1_000)]
ExtensionList = Annotated[list[Annotated[str, Field(max_length=20)]], Field(max_length=500)]
NoticeText = Annotated[str, Field(max_length=6_000)]


def _attachments(value: Any) -> Any:
    """A list is short for `{"allow": list}`."""
    return {"allow": value} if isinstance(value, list) else value


def _languages(value: Any) -> Any:
    """One language is short for a list of it."""
    return [value] if isinstance(value, str) else value


def _distinct(languages: list[Language]) -> list[Language]:
    if len({*languages}) < len(languages):
        raise ValueError("each language once")
    return languages


Languages = Annotated[
    list[Language],
    Field(min_length=1),
    AfterValidator(_distinct),
    BeforeValidator(_languages, json_schema_input_type=Language | list[Language]),
]


class PasswordForm(StrictModel):
    """A password, which is hashed at once, or a hash made elsewhere; neither is ever shown."""

    password: SecretStr | None = Field(
        default=None,
        min_length=8,
        max_length=MAX_PASSWORD_BYTES,
        description="The password, of at least 8 characters. Left out, an existing login keeps its own. It is never"
        " shown.",
        examples=["a-long-secret"],
        json_schema_extra={"writeOnly": True},
    )
    password_hash: SecretStr | None = Field(
        default=None,
        max_length=512,
        description="A hash instead of a password: argon2, bcrypt, sha512-crypt, md5-crypt, SSHA, PBKDF2, also with"
        " Dovecot's {SCHEME} before it.",
        examples=["{SHA512-CRYPT}$6$rounds=5000$..."],
        json_schema_extra={"writeOnly": True},
    )
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None,
        description="What people call the login. A new one is called as it is.",
        examples=["Alice's phone"],
    )
    disabled: bool | None = Field(
        default=None, description="It may not log in until it is enabled again.", examples=[True]
    )


class UserIn(PasswordForm):
    """A login. Without a password, an existing login keeps its own."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"login": "alice@acme.example", "password": "a-long-secret"}]}
    )

    login: str = Field(
        min_length=1,
        max_length=254,
        description="The user name of SMTP AUTH, in lower case, unique in the gate.",
        examples=["alice@acme.example"],
    )


Switch = Annotated[
    bool, BeforeValidator(lambda value: False if value is None else value, json_schema_input_type=bool | None)
]
"""Null is off, as everywhere in an account file."""


class NetworkForm(StrictModel):
    """How a network is trusted."""

    normalise: Switch = Field(
        default=False,
        description="Correct what old devices send: bare line ends, a header without an empty line after it or no"
        " header, MAIL and RCPT without brackets.",
        examples=[True],
    )
    domain: str | None = Field(
        default="",
        max_length=253,
        description="The domain of addresses without one, such as `root`; needs `normalise`.",
        examples=["acme.example"],
    )
    force: Switch = Field(
        default=False,
        description="Trust a network broader than /8 (IPv4) or /16 (IPv6); needs a reason.",
        examples=[True],
        json_schema_extra={"writeOnly": True},
    )


class NetworkIn(NetworkForm):
    model_config = ConfigDict(
        json_schema_extra={"examples": ["192.0.2.0/28", {"network": "192.0.2.9", "normalise": True}]}
    )

    network: str = Field(
        max_length=64, description="The network whose hosts send without a password.", examples=["192.0.2.0/28"]
    )


class Attachments(StrictModel):
    """The extensions that may pass."""

    model_config = ConfigDict(json_schema_extra={"examples": [["pdf", "txt"], "any"]})

    allow: ExtensionList = Field(description="The extensions that may pass, without dots.", examples=[["pdf", "txt"]])


AttachmentList = Annotated[Literal["any"] | Attachments, BeforeValidator(_attachments)]


class RulesForm(StrictModel):
    """Rules that are left out stay as they are."""

    max_size: Annotated[Size, Field(ge=1_000, le=MAX_MAIL)] | None = Field(
        default=None,
        description="The largest mail, as it leaves.",
        examples=["20MB"],
        json_schema_extra={"default": "20MB"},
    )
    max_recipients: Annotated[int, Field(ge=1, le=MAX_RECIPIENTS)] | None = Field(
        default=None, description="The most recipients of one mail.", examples=[100], json_schema_extra={"default": 100}
    )
    attachments: AttachmentList | None = Field(
        default=None,
        description="The extensions of attachments that may pass (docs/attachments.md); `any` lets all pass.",
        examples=[["pdf", "txt"], "any"],
        json_schema_extra={"default": {"allow": ["pdf", "txt", "gif", "jpg", "jpeg", "png"]}},
    )
    encrypted: Choice | None = Field(
        default=None,
        description="What becomes of encrypted and opaquely signed mails (S/MIME, PGP), whose attachments can't be seen.",
        examples=["accept"],
        json_schema_extra={"default": "refuse"},
    )
    display_addresses: Choice | None = Field(
        default=None,
        examples=["accept"],
        json_schema_extra={"default": "refuse"},
        description="What becomes of a mail whose From or Sender holds, in its name, an address that the account may"
        " not send as.",
    )
    unauthorised_senders: AtSharedHosts | None = Field(
        default=None,
        examples=["ban"],
        json_schema_extra={"default": "stop"},
        description="What three unauthorised senders lead to at a host that several people share (docs/bans.md):"
        " `stop` stops the login, or what the network may send without one; `ban` bans the host. Other hosts are"
        " banned in any case.",
    )


class RulesChange(RulesForm):
    """Also single extensions, which are allowed or no longer allowed."""

    add_attachments: ExtensionList = Field(default=[])
    remove_attachments: ExtensionList = Field(default=[])


class AttachmentExceptionForm(StrictModel):
    """What a sender may attach besides, until a time with its offset from UTC."""

    attachments: AttachmentList
    until: AwareDatetime | None = None


class AttachmentExceptionIn(StrictModel):
    """An exception in an account file. What an entry leaves out stays."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"sender": "cad@acme.example", "attachments": ["dwg", "zip"], "reason": "a tender"}]
        }
    )

    sender: str = Field(
        max_length=320,
        description="An address, or `@domain`.",
        examples=["cad@acme.example", "@studio.acme.example"],
    )
    attachments: AttachmentList = Field(
        description="The extensions that may pass besides those of the account, or `any`.",
        examples=[["dwg", "zip"], "any"],
    )
    until: datetime | date | None = Field(
        default=None,
        examples=["2026-12-24"],
        json_schema_extra={"expected": TIME_EXPECTED},
        description="When it ends; without an offset, in the account's time zone. A date: its first moment.",
    )
    reason: str = Field(
        min_length=3, max_length=1_000, description="Why, of at least 3 characters.", examples=["a tender"]
    )


class RulesSection(RulesForm):
    """The `rules` of an account file."""

    exceptions: list[AttachmentExceptionIn] | None = Field(
        default=None,
        max_length=10_000,
        description="Senders that may attach more; the narrowest one holds.",
        examples=[
            [{"sender": "cad@acme.example", "attachments": ["dwg", "zip"], "until": "2026-12-24", "reason": "a tender"}]
        ],
        json_schema_extra={"default": []},
    )


class AccountDocument(StrictModel):
    """An account file."""

    account: str | None = Field(
        default=None, description="The name of the account: small letters, digits and '-'.", examples=["acme"]
    )
    language: Languages | None = Field(
        default=None,
        description="The language of what the account's users read: refusals, link notices, bounces. With a list,"
        " each text is in all of them, in that order.",
        examples=["it", ["it", "en"]],
        json_schema_extra={"default": "en"},
    )
    time_zone: Annotated[str, AfterValidator(known_zone)] | None = Field(
        default=None,
        description="The time zone of dates and times in these texts.",
        examples=["Europe/Rome"],
        json_schema_extra={"default": "UTC"},
    )
    hosts: HostNameList | None = Field(
        default=None,
        description="The names under which the account's clients connect to the gate.",
        examples=[["smtp.acme.example"]],
        json_schema_extra={"default": []},
    )
    users: list[UserIn] | None = Field(
        default=None,
        max_length=MAX_USERS,
        description="Who may log in.",
        examples=[[{"login": "alice@acme.example", "password": "a-long-secret"}]],
        json_schema_extra={"default": []},
    )
    senders: list[Annotated[str, Field(max_length=320)]] | None = Field(
        default=None,
        max_length=20_000,
        description="The addresses that the account may send as: an address, `@domain`, or `@.domain` (its"
        " subdomains). Those with @ in front need quotes.",
        examples=[["@acme.example", "sales@partner.example"]],
        json_schema_extra={"default": []},
    )
    networks: list[str | NetworkIn] | None = Field(
        default=None,
        max_length=10_000,
        description="The networks that send without a password.",
        examples=[["192.0.2.0/28", {"network": "192.0.2.64/28", "normalise": True}]],
        json_schema_extra={"default": []},
    )
    rules: RulesSection | None = Field(
        default=None, description="What the account's mails may be.", examples=[{"max_size": "20MB"}]
    )
    notices: dict[Notice, dict[Language, NoticeText]] | None = Field(
        default=None,
        description="The account's own texts, by name and language (docs/texts.md): what may stand in curly brackets,"
        " such as {name}, is known for each.",
        examples=[{"attachment": {"it": "Niente {name}"}}],
    )


class NoticeForm(StrictModel):
    text: NoticeText


class HostNames(StrictModel):
    hosts: HostNameList


class TokenForm(StrictModel):
    name: str = Field(min_length=1, max_length=200, description="Whose it is, or what for.")
    until: AwareDatetime | None = Field(default=None, description="When it ends. Left out: it has no end.")


class SenderQuestion(StrictModel):
    """May this login, or this account from a trusted network, send as this address?"""

    address: str = Field(max_length=320)
    login: str | None = Field(default=None, max_length=254)
    account: str | None = Field(default=None, max_length=63)


class PasswdFile(StrictModel):
    """Lines of a passwd file (Dovecot, shadow): `login:{SCHEME}hash`.

    Empty lines and comments are skipped.
    """

    lines: str = Field(max_length=5_000_000)
