"""What goes in and out over HTTP: the `archive` section of an account file, and copies as operators see them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from varco_archive import normalization
from varco_archive.commands import Change, Op
from varco_archive.copy_index import CopyDetails
from varco_archive.model import KEEP_SECONDS, CopySettings, ForwardingTarget
from varco_common.base import units
from varco_common.base.errors import RefusedCommand
from varco_common.events import CopyForm, CopySource


def _off(value: object) -> object:
    """YAML reads a bare `off` as false."""
    return None if value in (False, "off", {}) else value


def _forward(value: object) -> object:
    return {"to": value} if isinstance(value, str) else value


def _normal(normal: Any) -> BeforeValidator:
    def check(value: object) -> object:
        try:
            return normal(value) if isinstance(value, str) else value
        except RefusedCommand as refusal:
            raise ValueError(str(refusal)) from None

    return BeforeValidator(check)


Duration = Annotated[timedelta, BeforeValidator(units.parse_duration, json_schema_input_type=str | float)]
Address = Annotated[str, _normal(normalization.address)]


class StrictModel(BaseModel):
    """A misspelt field is an error, never ignored."""

    model_config = ConfigDict(extra="forbid")


class Pop3In(StrictModel):
    """Without a password the one that is there is kept. Neither it nor its hash is ever shown."""

    login: Annotated[str, _normal(normalization.login)]
    password: SecretStr | None = Field(default=None, min_length=8, max_length=normalization.MAX_PASSWORD_BYTES)
    password_hash: SecretStr | None = Field(default=None, description="An argon2 hash in PHC form.")

    @model_validator(mode="after")
    def one_of_two(self) -> "Pop3In":
        if self.password and self.password_hash:
            raise ValueError("a password or its hash, not both")
        return self


class ForwardIn(StrictModel):
    """Where copies go. `form` journal attaches the mail to a report with its envelope."""

    to: Address
    form: CopyForm = CopyForm.PLAIN
    return_path: Address | Literal[""] = ""

    @property
    def target(self) -> ForwardingTarget:
        return ForwardingTarget(address=self.to, form=self.form, return_path=self.return_path)


class ArchiveIn(StrictModel):
    """The whole section: what it leaves out is off, or as it is by default; only `senders_told` is kept."""

    pop3: Annotated[Pop3In | None, BeforeValidator(_off)] = None
    forward: Annotated[ForwardIn | None, BeforeValidator(_forward), BeforeValidator(_off)] = None
    keep: Annotated[Duration, Field(ge=timedelta(hours=1))] = timedelta(seconds=KEEP_SECONDS)
    senders_told: str = Field(default="", max_length=500, description="Who told the senders, and when.")
    copy_: CopySource = Field(default=CopySource.GIVEN, alias="copy")


ArchiveSection = Annotated[ArchiveIn | None, BeforeValidator(_off)]


class SendersToldOut(BaseModel):
    """Who vouched that senders know, and when."""

    statement: str
    by: str
    at: datetime


class ArchiveOut(BaseModel):
    """`archive` is as an account file has it, without the password; None: nothing is copied. `version` is for If-Match."""

    account: str
    archive: dict[str, Any] | None
    told: SendersToldOut | None
    version: int


class ChangeOut(BaseModel):
    """One difference: for programs, and as a line for people (`+` added, `-` removed, `~` changed)."""

    op: Op
    section: str
    key: str
    detail: str
    line: str

    @classmethod
    def of(cls, change: Change) -> "ChangeOut":
        return cls(op=change.op, section=change.section, key=change.key, detail=change.detail, line=change.line)


class Changed(BaseModel):
    """What was changed; or what would be, where `applied` is false. `version` is for If-Match."""

    account: str
    applied: bool
    version: int
    changes: list[ChangeOut]


class StatusOut(BaseModel):
    """One account's copies. `in_session`: a client has the mailbox open."""

    account: str
    login: str
    forward: str
    keep: str
    copies: int
    octets: int
    oldest: datetime | None
    in_session: bool


class CopyOut(BaseModel):
    """A copy in the mailbox."""

    mail: str
    arrived: datetime
    size: int
    sender: str
    recipients: list[str]
    subject: str

    @classmethod
    def of(cls, found: CopyDetails) -> "CopyOut":
        return cls(
            mail=found.mail,
            arrived=datetime.fromtimestamp(found.arrived_ms / 1000, UTC),
            size=found.size,
            sender=found.sender,
            recipients=found.recipients.split("\n"),
            subject=found.subject,
        )


class CopyPage(BaseModel):
    """A page of copies, oldest first. `next` is the cursor of the next page, 0 on the last."""

    copies: list[CopyOut]
    next: int


def section(state: CopySettings) -> dict[str, Any] | None:
    """The account file's section; secrets left out, and what is as by default."""
    if not state.on:
        return None
    shown: dict[str, Any] = {}
    if state.login:
        shown["pop3"] = {"login": state.login}
    if target := state.target:
        extra = {"form": str(target.form)} if target.form is not CopyForm.PLAIN else {}
        extra |= {"return_path": target.return_path} if target.return_path else {}
        shown["forward"] = {"to": target.address, **extra} if extra else target.address
    shown["keep"] = units.format_duration(timedelta(seconds=state.keep_seconds))
    if state.source is not CopySource.GIVEN:
        shown["copy"] = str(state.source)
    if state.told:
        shown["senders_told"] = state.told.statement
    return shown
