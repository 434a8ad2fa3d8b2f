"""Requests and responses: the `archive` section of an account file, and copies."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from varco_archive import normalization
from varco_archive.copy_index import CopyDetails
from varco_archive.model import DEFAULT_KEEP_SECONDS, CopySettings, ForwardingTarget, SendersStatement
from varco_common.base import units
from varco_common.base.settings import Duration
from varco_common.events import CopyForm, CopySource
from varco_common.runtime.request_model import StrictModel, none_if_off


def _off(value: object) -> object:
    """An empty section is off, too. An empty text or list is a mistake, as of a template."""
    return None if value == {} else none_if_off(value)


def _forward(value: object) -> object:
    return {"to": value} if isinstance(value, str) else value


Address = Annotated[str, AfterValidator(normalization.address)]


class Pop3In(StrictModel):
    """Without a password the current one is kept. Neither it nor its hash is ever shown."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"login": "archive@acme.example", "password": "a-long-secret"}]}
    )

    login: Annotated[str, AfterValidator(normalization.login)] = Field(
        description="The user name of the mailbox.", examples=["archive@acme.example"]
    )
    password: SecretStr | None = Field(
        default=None,
        min_length=8,
        max_length=normalization.MAX_PASSWORD_BYTES,
        description="Its password, of at least 8 characters. Left out, the mailbox keeps its own. It is never shown.",
        examples=["another-secret"],
        json_schema_extra={"writeOnly": True},
    )
    password_hash: SecretStr | None = Field(
        default=None,
        description="An argon2 hash in PHC form instead.",
        examples=["$argon2id$v=19$m=19456,t=2,p=1$..."],
        json_schema_extra={"writeOnly": True},
    )

    @model_validator(mode="after")
    def one_of_two(self) -> "Pop3In":
        if self.password and self.password_hash:
            raise ValueError("a password or its hash, not both")
        return self


class ForwardIn(StrictModel):
    """Where copies are forwarded. The form `journal` attaches the mail to a report."""

    model_config = ConfigDict(
        json_schema_extra={"examples": ["boss@acme.example", {"to": "boss@acme.example", "form": "journal"}]}
    )

    to: Address = Field(description="The address that gets the copies.", examples=["boss@acme.example"])
    form: CopyForm = Field(
        default=CopyForm.PLAIN,
        description="`plain` forwards the mail itself, `journal` attaches it to a report with its envelope.",
        examples=["journal"],
    )
    return_path: Address | Literal[""] = Field(
        default="",
        description="The envelope sender of copies, to which they bounce; left out, it is empty (`<>`).",
        examples=["post@acme.example"],
    )

    @property
    def target(self) -> ForwardingTarget:
        return ForwardingTarget(address=self.to, form=self.form, return_path=self.return_path)


class ArchiveIn(StrictModel):
    """The whole section: what is left out is off or its default; `senders_told` is kept."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"forward": "boss@acme.example", "senders_told": "HR, 2026-11-02"}, "off"]}
    )

    pop3: Annotated[Pop3In | None, BeforeValidator(_off)] = Field(
        default=None,
        description="A mailbox with a copy of each mail; `off` closes it and deletes its copies.",
        examples=[{"login": "archive@acme.example", "password": "another-secret"}],
    )
    forward: Annotated[ForwardIn | None, BeforeValidator(_forward), BeforeValidator(_off)] = Field(
        default=None,
        description="An address that gets a copy of each mail.",
        examples=["boss@acme.example", {"to": "boss@acme.example", "form": "journal"}],
    )
    keep: Annotated[Duration, Field(ge=timedelta(hours=1))] = Field(
        default=timedelta(seconds=DEFAULT_KEEP_SECONDS),
        description="How long copies stay in the mailbox. A shorter time deletes older ones.",
        examples=["7 days"],
    )
    senders_told: str = Field(
        default="",
        max_length=500,
        description="Who told the senders that their mail is copied, and when. Needed while mail is copied.",
        examples=["HR, 2026-11-02"],
    )
    copy_: CopySource = Field(
        default=CopySource.GIVEN,
        alias="copy",
        description="`given` copies what senders submit, `sent` what filelink made of it.",
        examples=["sent"],
    )


ArchiveSection = Annotated[ArchiveIn | None, BeforeValidator(_off)]


class ArchiveOut(BaseModel):
    """`archive` as in an account file, without the password; None if nothing is copied.

    `version` is for If-Match.
    """

    account: str
    archive: dict[str, Any] | None
    told: SendersStatement | None
    version: int


class StatusOut(BaseModel):
    """One account's copies.

    `collected`: when a client last fetched copies, or found nothing new, also if it left them in
    the mailbox. `in_session`: it has the mailbox open.
    """

    account: str
    login: str
    forward: str
    keep: str
    copies: int
    octets: int
    oldest: datetime | None
    collected: datetime | None = None
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
    def of(cls, copy: CopyDetails) -> "CopyOut":
        return cls(
            mail=copy.mail,
            arrived=datetime.fromtimestamp(copy.arrived_ms / 1000, UTC),
            size=copy.size,
            sender=copy.sender,
            recipients=copy.recipients.split("\n"),
            subject=copy.subject,
        )


class CopyPage(BaseModel):
    """A page of copies, oldest first. `next` is the cursor of the next page, 0 on the last."""

    copies: list[CopyOut]
    next: int


def section(settings: CopySettings) -> dict[str, Any] | None:
    """The account file's section, without secrets and defaults. None if nothing is copied."""
    return document(settings) if settings.active else None


def document(settings: CopySettings) -> dict[str, Any]:
    """As `section`, also while nothing is copied."""
    result: dict[str, Any] = {}
    if settings.login:
        result["pop3"] = {"login": settings.login}
    if target := settings.target:
        options = {"form": str(target.form)} if target.form is not CopyForm.PLAIN else {}
        options |= {"return_path": target.return_path} if target.return_path else {}
        result["forward"] = {"to": target.address, **options} if options else target.address
    result["keep"] = units.format_duration(timedelta(seconds=settings.keep_seconds))
    if settings.source is not CopySource.GIVEN:
        result["copy"] = str(settings.source)
    if settings.statement:
        result["senders_told"] = settings.statement.statement
    return result
