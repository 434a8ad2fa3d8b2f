"""Requests and responses: the `filelink` section of an account file, and links."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from varco_common.base import units
from varco_common.base.merge_patch import is_off, merged
from varco_common.base.settings import Duration, Size
from varco_common.events import Choice, readable_link
from varco_common.runtime.documents import parsed
from varco_common.runtime.request_model import StrictModel, none_if_off
from varco_filelink import normalization
from varco_filelink.commands import DesiredLinkSettings, format_keep
from varco_filelink.model.account_settings import DEFAULT_KEEP, DEFAULT_THRESHOLD, LinkSettings
from varco_filelink.model.link_state import Link, LinkState

MAX_KEEP = timedelta(days=36_500)


class LinkSettingsIn(StrictModel):
    """The section `filelink:` of an account file. What is left out has its default."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"over": "7MB", "keep": "12 months"}, "off"]})

    over: Annotated[Size, Field(ge=10_000, le=1_000_000_000)] = Field(
        default=DEFAULT_THRESHOLD, description="Larger attachments become links.", examples=["7MB"]
    )
    keep: Annotated[Duration, Field(ge=timedelta(minutes=1), le=MAX_KEEP)] = Field(
        default=DEFAULT_KEEP, description="How long new links live.", examples=["12 months"]
    )
    base_url: Annotated[str, AfterValidator(normalization.base_url), Field(max_length=300)] = Field(
        default="",
        description="What links begin with; left out, VARCO_LINKS_BASE_URL holds.",
        examples=["https://files.acme.example"],
    )
    signed: Literal["send", "refuse"] = Field(
        default="send",
        description="What becomes of signed mails with such attachments, which can't be rewritten.",
        examples=["refuse"],
    )

    def desired(self) -> DesiredLinkSettings:
        signed = Choice.ACCEPT if self.signed == "send" else Choice.REFUSE
        return DesiredLinkSettings(self.over, self.keep, self.base_url, signed)


FilelinkSection = Annotated[LinkSettingsIn | None, BeforeValidator(none_if_off)]
_FORM: TypeAdapter[LinkSettingsIn] = TypeAdapter(LinkSettingsIn)


class LinkDefaultsOut(BaseModel):
    """`links_begin_with` is for accounts without a `base_url`."""

    links_begin_with: str


class LinkSettingsOut(BaseModel):
    """`filelink` is as in an account file. `version` is for If-Match."""

    account: str
    filelink: dict[str, str] | Literal["off"]
    links_begin_with: str
    version: int


class DownloadOut(BaseModel):
    at: datetime
    host: str
    sent: int
    complete: bool


class LinkOut(BaseModel):
    """`recent` are the last downloads; `downloads` counts the complete ones.

    `url` is empty for a token that only reads, since whoever has it downloads the file, and where
    the link was made with another key. Such a token gets the id of an earlier version's link cut,
    because its digits are those of the URL.
    """

    link: str
    url: str
    account: str
    mail: str
    name: str
    size: int
    sha256: str
    state: LinkState
    linked_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    downloads: int
    sent: int
    recent: list[DownloadOut]

    @classmethod
    def of(cls, link: Link, url: str) -> "LinkOut":
        recent = [DownloadOut(at=d.at, host=d.host, sent=d.sent, complete=d.complete) for d in link.recent]
        fields = {name: getattr(link, name) for name in cls.model_fields} | {"url": url, "recent": recent}
        return cls(**fields if url else fields | {"link": readable_link(link.link)})


class LinkPage(BaseModel):
    """The newest links first. `next` is the cursor of the next page, empty on the last."""

    links: list[LinkOut]
    next: str
    total: int
    stored: int


class ReasonIn(BaseModel):
    """`reason` goes into the event."""

    reason: str = Field(default="", max_length=1_000)


class ExtendIn(ReasonIn):
    """`by` a time beyond its end, or `until` a time."""

    by: Duration | None = None
    until: datetime | None = None


def section(settings: LinkSettings) -> dict[str, str] | Literal["off"]:
    """The account file's section, without defaults."""
    if not settings.over:
        return "off"
    result = {"over": units.format_size(settings.over), "keep": format_keep(settings.keep)}
    result |= {"base_url": settings.base_url} if settings.base_url else {}
    return result | ({"signed": "refuse"} if settings.signed is Choice.REFUSE else {})


def desired_after(settings: LinkSettings | None, patch: Any, *place: str) -> DesiredLinkSettings | None:
    """The settings after a patch of the section; None: off. What the patch leaves out stays.

    Raises RequestValidationError.
    """
    current = section(settings) if settings else "off"
    document = merged(None if is_off(current) else current, patch)
    return None if is_off(document) else parsed(_FORM, document, *place).desired()
