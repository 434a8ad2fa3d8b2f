"""The events of console.

The people who use the web pages, and their sessions.
"""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from varco_common.events.base import Event


class PersonRole(StrEnum):
    """What a person may see and do. Owner and reader belong to one account."""

    OPERATOR = "operator"
    AUDITOR = "auditor"
    OWNER = "owner"
    READER = "reader"

    @property
    def sees_all(self) -> bool:
        return self in (PersonRole.OPERATOR, PersonRole.AUDITOR)

    @property
    def may_change(self) -> bool:
        return self in (PersonRole.OPERATOR, PersonRole.OWNER)


class SignOutCause(StrEnum):
    """Why a session ended before its time."""

    SIGNED_OUT = "signed-out"
    REVOKED = "revoked"
    PASSWORD = "password"  # noqa: S105 - the password was changed


class PersonEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A fact about one person. `by` is who caused it, `reason` why."""

    SERVICE: ClassVar[str] = "console"
    person: str
    by: str = ""
    reason: str = ""

    @property
    def key(self) -> str:
        return self.person


class PersonAdded(PersonEvent, frozen=True, kw_only=True, omit_defaults=True, tag="person.added.v1"):
    """Somebody who may use the console. `account` is the only one that they see, or empty."""

    role: PersonRole
    account: str = ""


class PersonRemoved(PersonEvent, frozen=True, kw_only=True, omit_defaults=True, tag="person.removed.v1"):
    """Somebody who may sign in no more. Their sessions have ended."""


class PasswordLinkIssued(PersonEvent, frozen=True, kw_only=True, omit_defaults=True, tag="password.link.issued.v1"):
    """A link with which the person sets a password, once, until `until`.

    `digest` is the SHA-256 of its secret part, which nobody can guess. An earlier link ends.
    """

    digest: str
    until: datetime


class PersonPasswordSet(PersonEvent, frozen=True, kw_only=True, omit_defaults=True, tag="person.password.set.v1"):
    """A person's new password, hashed (argon2id, PHC form). All their sessions have ended."""

    hash: str


class SecondFactorSet(PersonEvent, frozen=True, kw_only=True, omit_defaults=True, tag="second.factor.set.v1"):
    """From now on the person also gives a code (TOTP, RFC 6238) when signing in.

    `secret` is what codes are made of, encrypted with the console's key. `code_step` is the period
    of the code that showed that the app has it.
    """

    secret: str
    code_step: int = 0


class SecondFactorRemoved(PersonEvent, frozen=True, kw_only=True, omit_defaults=True, tag="second.factor.removed.v1"):
    """The password alone is enough again."""


class PersonSignedIn(PersonEvent, frozen=True, kw_only=True, omit_defaults=True, tag="person.signed.in.v1"):
    """A session began, and ends at `until`.

    `session` is the SHA-256 of the cookie's secret, `agent` what the browser calls itself.
    `code_step` is the period of the code that was given: no code is valid twice. `provider` is the
    issuer that vouched for the person, where no password was asked for.
    """

    session: str
    host: str
    until: datetime
    agent: str = ""
    code_step: int = 0
    provider: str = ""


class PersonSignedOut(PersonEvent, frozen=True, kw_only=True, omit_defaults=True, tag="person.signed.out.v1"):
    """A session ended before its time."""

    session: str
    cause: SignOutCause


class SessionUsed(PersonEvent, frozen=True, kw_only=True, omit_defaults=True, tag="session.used.v1"):
    """A session was used, from `host`; at most one event an hour for each.

    `code_step` is the period of the code by which the person confirmed a change in it, if there
    was one: then the event is appended at once.
    """

    session: str
    host: str
    code_step: int = 0


AnyConsoleEvent = (
    PersonAdded
    | PersonRemoved
    | PasswordLinkIssued
    | PersonPasswordSet
    | SecondFactorSet
    | SecondFactorRemoved
    | PersonSignedIn
    | PersonSignedOut
    | SessionUsed
)
