"""The JSON that policy's API answers with. No hash and no secret is ever in it."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from varco_common.events import AtSharedHosts, Choice, Language, Notice
from varco_policy.api.request_schemas import Attachments, Size


class UserName(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    login: str
    name: str


class DisabledUser(UserName):
    disabled: Literal[True] = True


class UserOut(UserName):
    """A login.

    `hash` is the kind of its password hash: an imported one becomes argon2id at the next login.
    """

    added_at: datetime
    changed_at: datetime
    used_at: datetime | None
    disabled: bool
    hash: str


class NetworkOut(BaseModel):
    network: str
    normalise: bool
    domain: str = ""


class TrustedOut(NetworkOut):
    since: datetime
    reason: str


class RulesOut(BaseModel):
    max_size: Size
    max_recipients: int
    attachments: Literal["any"] | Attachments
    encrypted: Choice
    display_addresses: Choice
    unauthorised_senders: AtSharedHosts


class AttachmentExceptionOut(BaseModel):
    """What a sender may attach besides. `ended`: its time is over, and it no longer holds."""

    sender: str
    attachments: Literal["any"] | Attachments
    since: datetime
    until: datetime | None
    ended: bool
    by: str
    reason: str


class RulesInFile(RulesOut):
    """With the exceptions of attachments, as an account file has them."""

    exceptions: list[dict[str, Any]]


class AccountOut(BaseModel):
    """An account as its file would describe it, without secrets."""

    account: str
    language: Language | list[Language]
    time_zone: str
    hosts: list[str]
    users: list[DisabledUser | UserName]
    senders: list[str]
    networks: list[str | NetworkOut]
    rules: RulesInFile
    notices: dict[Notice, dict[Language, str]]


class AccountSummary(BaseModel):
    """One line of the list of accounts."""

    account: str
    language: Language | list[Language]
    opened_at: datetime
    hosts: list[str]
    users: int
    senders: int
    networks: int


class AuthorisedSenderOut(BaseModel):
    pattern: str
    since: datetime


class SenderAnswer(BaseModel):
    """`pattern` allows the address; `others` are other accounts that may send as it."""

    allowed: bool
    address: str
    account: str
    pattern: str
    why: str
    others: list[str]


class NoticeOut(BaseModel):
    """The text of a refusal, and whether it is the account's own.

    `facts` may stand in it in curly brackets.
    """

    notice: Notice
    language: Language
    text: str
    own: bool
    facts: list[str]


class TokenOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    issued_at: datetime
    until: datetime | None = Field(description="None: it has no end.")
    used_at: datetime | None = Field(description="Its last use, to the hour. None: it was never used.")


class IssuedTokenOut(BaseModel):
    """`token` is only shown this once."""

    id: str
    name: str
    token: str
