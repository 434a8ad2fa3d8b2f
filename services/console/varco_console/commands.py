"""Commands on people: a person's state and a request become events. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from varco_common.base.errors import ConflictError, NotFound, RefusedCommand
from varco_common.events import (
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
    SignOutCause,
)
from varco_console.model import Person

LINK_LIFE = timedelta(days=7)
SESSION_LIFE = timedelta(hours=12)
MAX_SESSIONS = 20  # of one person; the oldest one ends


class CommandOrigin(NamedTuple):
    """When, by whom (as events say it) and why."""

    at: datetime
    by: str
    reason: str = ""


def add(
    person: Person | None, who: CommandOrigin, name: str, *, role: PersonRole, account: str, digest: str
) -> list[PersonEvent]:
    """Adds a person and issues the link for the password. Raises ConflictError, RefusedCommand."""
    if person:
        raise ConflictError(f"{name} is there already, as {described(person.role, person.account)}")
    if role.sees_all and account:
        raise RefusedCommand(f"the role {role} sees all accounts: name none")
    if not role.sees_all and not account:
        raise RefusedCommand(f"the role {role} belongs to an account: name it")
    added = PersonAdded(at=who.at, person=name, by=who.by, reason=who.reason, role=role, account=account)
    return [added, _link(name, who, digest)]


def remove(person: Person | None, who: CommandOrigin, name: str) -> list[PersonEvent]:
    """Raises NotFound."""
    existing(person, name)
    return [PersonRemoved(at=who.at, person=name, by=who.by, reason=who.reason)]


def issue_link(person: Person | None, who: CommandOrigin, name: str, digest: str) -> list[PersonEvent]:
    """Raises NotFound."""
    existing(person, name)
    return [_link(name, who, digest)]


def set_password(person: Person | None, who: CommandOrigin, link: str, new_hash: str) -> list[PersonEvent]:
    """Sets it by a link (its digest), which ends with that. Raises NotFound."""
    if not person or not person.link or person.link.digest != link or person.link.until <= who.at:
        raise NotFound("the link was used, has ended, or never was one")
    return [PersonPasswordSet(at=who.at, person=person.name, by=who.by, hash=new_hash)]


class Proof(NamedTuple):
    """Who vouches for a person: the state that was verified, and by what."""

    person: Person
    code_step: int = 0
    provider: str = ""


def set_factor(person: Person | None, who: CommandOrigin, sealed: str, step: int) -> list[PersonEvent]:
    """`step` is the period of a code of this factor, which counts as used. Raises NotFound."""
    name = existing(person, "").name
    return [SecondFactorSet(at=who.at, person=name, by=who.by, reason=who.reason, secret=sealed, code_step=step)]


def remove_factor(person: Person | None, who: CommandOrigin, name: str) -> list[PersonEvent]:
    """Raises NotFound."""
    if not existing(person, name).factor:
        return []
    return [SecondFactorRemoved(at=who.at, person=name, by=who.by, reason=who.reason)]


def sign_in(
    person: Person | None, at: datetime, session: str, *, host: str, agent: str, proof: Proof
) -> list[PersonEvent]:
    """Begins a session.

    Raises NotFound if the person was removed, or the password or the second factor changed, since
    they were verified; or if the same code was used in between.
    """
    person = _as_verified(person, proof)
    by = f"person:{person.name}"
    begun = PersonSignedIn(
        at=at,
        person=person.name,
        by=by,
        session=session,
        host=host,
        until=at + SESSION_LIFE,
        agent=agent,
        code_step=proof.code_step,
        provider=proof.provider,
    )
    oldest = sorted(person.sessions, key=lambda key: person.sessions[key].used_at)[: -(MAX_SESSIONS - 1)]
    return [*_ended(person.name, oldest, CommandOrigin(at, by), SignOutCause.REVOKED), begun]


def sign_out(
    person: Person | None, who: CommandOrigin, sessions: Iterable[str], cause: SignOutCause
) -> list[PersonEvent]:
    """Ends those of the sessions that there are."""
    if not person:
        return []
    return _ended(person.name, [session for session in sessions if session in person.sessions], who, cause)


def use_session(person: Person | None, at: datetime, session: str, host: str) -> list[PersonEvent]:
    """Notes that a session is in use."""
    if not person or session not in person.sessions:
        return []
    return [SessionUsed(at=at, person=person.name, by=f"person:{person.name}", session=session, host=host)]


def use_code(person: Person | None, at: datetime, session: str, host: str, proof: Proof) -> list[PersonEvent]:
    """Notes the code by which the person confirmed a change in a session: it is not valid again.

    Raises NotFound as `sign_in`, and if the session has ended.
    """
    person = _as_verified(person, proof)
    if not person.session(session, at):
        raise NotFound("the session has ended")
    by, step = f"person:{person.name}", proof.code_step
    return [SessionUsed(at=at, person=person.name, by=by, session=session, host=host, code_step=step)]


def existing(person: Person | None, name: str) -> Person:
    """Raises NotFound."""
    if not person:
        raise NotFound(f"there is nobody called {name}: `varco people list` has all names")
    return person


def described(role: PersonRole, account: str) -> str:
    return f"{role} of {account}" if account else role.value


def _as_verified(person: Person | None, proof: Proof) -> Person:
    known = proof.person
    if not person or (person.hash, person.factor) != (known.hash, known.factor):
        raise NotFound("the person was changed meanwhile")
    if proof.code_step and proof.code_step <= person.code_step:
        raise NotFound("the code was used meanwhile")
    return person


def _link(name: str, who: CommandOrigin, digest: str) -> PasswordLinkIssued:
    return PasswordLinkIssued(
        at=who.at, person=name, by=who.by, reason=who.reason, digest=digest, until=who.at + LINK_LIFE
    )


def _ended(name: str, sessions: Iterable[str], who: CommandOrigin, cause: SignOutCause) -> list[PersonEvent]:
    return [
        PersonSignedOut(at=who.at, person=name, by=who.by, reason=who.reason, session=session, cause=cause)
        for session in sessions
    ]
