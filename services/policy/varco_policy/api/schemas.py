"""What goes in and out over HTTP. Sections of an account that are left out are left as they are."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, SecretStr

from varco_common.base import units
from varco_common.events import Choice, Language, Notice
from varco_policy.commands import Change, Op
from varco_policy.password_hashes import MAX_PASSWORD_BYTES

MAX_MAIL = 1_000_000_000
MAX_RECIPIENTS = 10_000

Size = Annotated[
    int,
    BeforeValidator(
        lambda value: units.parse_size(value) if isinstance(value, str) else value, json_schema_input_type=int | str
    ),
    PlainSerializer(units.format_size),
]


def _section(value: Any) -> Any:
    """A short way of writing attachments: any, or just the list."""
    return {"allow": value} if isinstance(value, list) else value


class Form(BaseModel):
    """A misspelt field is an error, never ignored."""

    model_config = ConfigDict(extra="forbid")


class PasswordForm(Form):
    """Either the password, which is hashed at once, or a hash that was made elsewhere; neither is ever shown."""

    password: SecretStr | None = Field(default=None, min_length=8, max_length=MAX_PASSWORD_BYTES)
    password_hash: SecretStr | None = Field(
        default=None,
        max_length=512,
        description="argon2, bcrypt ($2y$...), sha512-crypt ($6$...), also with Dovecot's {SCHEME} before it.",
    )
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class UserIn(PasswordForm):
    """A login; without a password, one that is there already keeps its own."""

    login: str = Field(min_length=1, max_length=254)


class NetworkForm(Form):
    """How a network is trusted."""

    normalise: bool = Field(default=False, description="Mend bare line ends, for old devices.")
    force: bool = Field(
        default=False, description="Trust a network broader than /8 (IPv4) or /16 (IPv6); needs a reason."
    )


class NetworkIn(NetworkForm):
    network: str = Field(max_length=64)


class Attachments(Form):
    """The extensions that may pass."""

    allow: list[Annotated[str, Field(max_length=20)]] = Field(max_length=500)


class RulesForm(Form):
    """Rules that are left out stay as they are."""

    max_size: Annotated[Size, Field(ge=1_000, le=MAX_MAIL)] | None = None
    max_recipients: Annotated[int, Field(ge=1, le=MAX_RECIPIENTS)] | None = None
    attachments: Annotated[Literal["any"] | Attachments, BeforeValidator(_section)] | None = None
    encrypted: Choice | None = None


Text = Annotated[str, Field(max_length=6_000)]


class AccountDocument(Form):
    """An account file."""

    account: str | None = None
    language: Language | None = None
    hosts: list[Annotated[str, Field(max_length=255)]] | None = Field(default=None, max_length=1_000)
    users: list[UserIn] | None = Field(default=None, max_length=20_000)
    senders: list[Annotated[str, Field(max_length=320)]] | None = Field(default=None, max_length=20_000)
    networks: list[str | NetworkIn] | None = Field(default=None, max_length=10_000)
    rules: RulesForm | None = None
    notices: dict[Notice, dict[Language, Text]] | None = None


class UserName(BaseModel):
    login: str
    name: str


class NetworkOut(BaseModel):
    network: str
    normalise: bool


class RulesOut(BaseModel):
    max_size: Size
    max_recipients: int
    attachments: Literal["any"] | Attachments
    encrypted: Choice


class AccountOut(BaseModel):
    """An account as its file would describe it, secrets left out."""

    account: str
    language: Language
    hosts: list[str]
    users: list[UserName]
    senders: list[str]
    networks: list[str | NetworkOut]
    rules: RulesOut
    notices: dict[Notice, dict[Language, str]]


class AccountSummary(BaseModel):
    """One line of the list of accounts."""

    account: str
    language: Language
    opened_at: datetime
    hosts: list[str]
    users: int
    senders: int
    networks: int


class UserOut(UserName):
    """A login. `hash` is the kind of its password's hash: an imported one becomes argon2id at the next login."""

    added_at: datetime
    changed_at: datetime
    used_at: datetime | None
    hash: str


class SenderOut(BaseModel):
    pattern: str
    since: datetime


class TrustedOut(NetworkOut):
    since: datetime
    reason: str


class NoticeOut(BaseModel):
    """The words of a refusal, and whether they are the account's own. `facts` may stand in them in curly brackets."""

    notice: Notice
    language: Language
    text: str
    own: bool
    facts: list[str]


class NoticeForm(Form):
    text: Text


class HostNames(Form):
    hosts: list[Annotated[str, Field(max_length=255)]] = Field(max_length=1_000)


class ChangeOut(BaseModel):
    """One difference: for programs, and as a line for people (`+` added, `-` removed, `~` changed)."""

    op: Op
    section: str
    key: str
    detail: str
    line: str


class ChangesOut(BaseModel):
    """What was changed; or what would be, where `applied` is false. `version` is for If-Match."""

    account: str
    applied: bool
    version: int
    changes: list[ChangeOut]


class TokenForm(Form):
    name: str = Field(min_length=1, max_length=200, description="Whose it is, or what for.")


class TokenOut(BaseModel):
    id: str
    name: str
    issued_at: datetime


class TokenIssuedOut(BaseModel):
    """`token` is shown this once."""

    id: str
    name: str
    token: str


class SenderQuestion(Form):
    """May this address be sent as by this login, or by this account (then from a trusted network)?"""

    address: str = Field(max_length=320)
    login: str | None = Field(default=None, max_length=254)
    account: str | None = Field(default=None, max_length=63)


class SenderAnswer(BaseModel):
    """`pattern` is what allows it; `why` says it in words; `others` are other accounts that the address may be sent as by."""

    allowed: bool
    address: str
    account: str
    pattern: str
    why: str
    others: list[str]


class PasswdFile(Form):
    """Lines of a passwd-file: `login:{SCHEME}hash`, as Dovecot or shadow have them. Empty ones and comments are passed over."""

    lines: str = Field(max_length=5_000_000)


def change_out(change: Change) -> ChangeOut:
    return ChangeOut(op=change.op, section=change.section, key=change.key, detail=change.detail, line=change.line)
