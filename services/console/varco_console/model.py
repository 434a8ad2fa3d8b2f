"""The people who use the console, and their sessions, folded from events. Pure."""

from datetime import datetime

import msgspec
from msgspec.structs import replace

from varco_common.base import subjects
from varco_common.events import (
    AnyEvent,
    PasswordLinkIssued,
    PersonAdded,
    PersonEvent,
    PersonPasswordSet,
    PersonRemoved,
    PersonRole,
    PersonSignedIn,
    PersonSignedOut,
    SecondFactorRemoved,
    SecondFactorSet,
    SessionUsed,
)
from varco_common.eventsourcing.projection_spec import ProjectionSpec

NAME = "console"
ALL = subjects.event(NAME, "*", "*")
FILTERS = tuple(
    kind.subject_filter()
    for kind in (
        PersonAdded,
        PersonRemoved,
        PasswordLinkIssued,
        PersonPasswordSet,
        SecondFactorSet,
        SecondFactorRemoved,
        PersonSignedIn,
        PersonSignedOut,
        SessionUsed,
    )
)


class PasswordLink(msgspec.Struct, frozen=True, kw_only=True):
    """The link with which a person may set a password once."""

    digest: str
    until: datetime


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One browser in which the person is signed in."""

    since: datetime
    until: datetime
    host: str
    used_at: datetime
    agent: str = ""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """`hash` is empty until a password is set. Sessions are by the digest of their secret.

    `factor` is the encrypted secret of the second factor, or empty. `code_step` is the period of
    the last code that was given.
    """

    name: str
    role: PersonRole
    added_at: datetime
    account: str = ""
    hash: str = ""
    link: PasswordLink | None = None
    factor: str = ""
    code_step: int = 0
    sessions: dict[str, Session] = {}

    def session(self, digest: str, now: datetime) -> Session | None:
        """The session, unless it has ended."""
        session = self.sessions.get(digest)
        return session if session and now < session.until else None

    def sees(self, account: str) -> bool:
        return self.role.sees_all or self.account == account


def apply(person: Person | None, event: AnyEvent) -> Person | None:
    """The person after the event. Events of somebody who is not there change nothing."""
    if isinstance(event, PersonAdded):
        return Person(name=event.person, role=event.role, account=event.account, added_at=event.at)
    if isinstance(event, PersonRemoved) or not person:
        return None
    return _changed(person, event) if isinstance(event, PersonEvent) else person


def _changed(person: Person, event: PersonEvent) -> Person:  # noqa: PLR0911
    match event:
        case PasswordLinkIssued(digest=digest, until=until):
            return replace(person, link=PasswordLink(digest=digest, until=until))
        case PersonPasswordSet(hash=digest):
            return replace(person, hash=digest, link=None, sessions={})
        case SecondFactorSet(secret=secret, code_step=step):
            return replace(person, factor=secret, code_step=step)
        case SecondFactorRemoved():
            return replace(person, factor="", code_step=0)
        case PersonSignedIn(session=digest, until=until, host=host, agent=agent):
            current = {key: session for key, session in person.sessions.items() if event.at < session.until}
            begun = Session(since=event.at, until=until, host=host, agent=agent, used_at=event.at)
            step = max(person.code_step, event.code_step)
            return replace(person, sessions={**current, digest: begun}, code_step=step)
        case PersonSignedOut(session=digest):
            return replace(person, sessions={key: value for key, value in person.sessions.items() if key != digest})
        case SessionUsed(session=digest, host=host) if session := person.sessions.get(digest):
            used = replace(session, host=host, used_at=event.at)
            step = max(person.code_step, event.code_step)
            return replace(person, sessions={**person.sessions, digest: used}, code_step=step)
        case _:
            return person


PEOPLE = ProjectionSpec("people", FILTERS, apply, Person)
