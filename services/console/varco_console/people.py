"""The people and their sessions: looks them up, and carries commands out."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

from cachetools import LRUCache

from varco_common.base import log
from varco_common.base.errors import ConflictError, RefusedCommand, TransientError
from varco_common.bus import Bus
from varco_common.events import PersonEvent, PersonRole, SignOutCause
from varco_common.eventsourcing.projection import Projection
from varco_common.runtime.passwords import PasswordVerifier
from varco_common.runtime.person_tokens import PersonRights, RightsRefused, token_of
from varco_console import commands
from varco_console.commands import CommandOrigin, Proof
from varco_console.model import Person, Session
from varco_console.secret_values import SecretValue, new_secret, parse_secret

USE_NOTED_EVERY = timedelta(hours=1)
MOVE_NOTED_EVERY = timedelta(minutes=10)  # at another host: with IPv4 and IPv6 a browser has two
_REMEMBERED = 10_000  # sessions
_log = log.get(__name__)


class BrowserSession(NamedTuple):
    """A person who is signed in, and by which secret."""

    person: Person
    session: Session
    secret: SecretValue

    @property
    def by(self) -> str:
        """Who changes something in it, as events say it."""
        return f"person:{self.person.name}"


class People:
    """Commands raise what `commands` raise, ConflictError, and TransientError."""

    def __init__(self, bus: Bus, projection: Projection[Person], passwords: PasswordVerifier) -> None:
        self._bus, self._projection, self._passwords = bus, projection, passwords
        self._last_uses: LRUCache[str, datetime] = LRUCache(_REMEMBERED)
        self._noted_uses: LRUCache[str, datetime] = LRUCache(_REMEMBERED)

    def get(self, name: str) -> Person | None:
        return self._projection.get(name)

    def all(self) -> list[Person]:
        """By name."""
        return [person for _, person in sorted(self._projection.items())]

    def session_count(self) -> int:
        now = datetime.now(UTC)
        return sum(
            now < session.until for _, person in self._projection.items() for session in person.sessions.values()
        )

    async def add(self, name: str, role: PersonRole, account: str, by: str, reason: str) -> SecretValue:
        """The secret of the link with which the person sets a password."""
        link, who = new_secret(name), _origin(by, reason)
        decide = partial(commands.add, who=who, name=name, role=role, account=account, digest=link.digest)
        decide(self.get(name))  # refuses before policy is asked
        if account:
            await self._check_account(name, role, account)
        await self._commit(name, decide)
        return link

    async def remove(self, name: str, by: str, reason: str) -> None:
        who = _origin(by, reason)
        await self._commit(name, lambda person: commands.remove(person, who, name))

    async def issue_link(self, name: str, by: str, reason: str) -> SecretValue:
        link, who = new_secret(name), _origin(by, reason)
        await self._commit(name, lambda person: commands.issue_link(person, who, name, link.digest))
        return link

    def link_person(self, text: str) -> Person | None:
        """Who may set a password with this link now."""
        secret = parse_secret(text)
        person = self.get(secret.person)
        link = person.link if person else None
        return person if link and link.digest == secret.digest and link.until > datetime.now(UTC) else None

    async def set_password(self, text: str, password: str) -> None:
        secret = parse_secret(text)
        new_hash = await self._passwords.make(password, secret.person)
        who = _origin(f"person:{secret.person}", "")
        await self._commit(secret.person, lambda person: commands.set_password(person, who, secret.digest, new_hash))

    async def set_factor(self, name: str, sealed: str, step: int) -> None:
        who = _origin(f"person:{name}", "")
        await self._commit(name, lambda person: commands.set_factor(person, who, sealed, step))

    async def remove_factor(self, name: str, by: str, reason: str = "") -> None:
        who = _origin(by, reason)
        await self._commit(name, lambda person: commands.remove_factor(person, who, name))

    async def sign_in(self, proof: Proof, host: str, agent: str) -> SecretValue:
        """Begins a session for somebody who was verified."""
        name = proof.person.name
        secret, at = new_secret(name), datetime.now(UTC)
        await self._commit(
            name, lambda now: commands.sign_in(now, at, secret.digest, host=host, agent=agent, proof=proof)
        )
        return secret

    async def use_code(self, opened: BrowserSession, step: int, host: str) -> None:
        """Notes the code by which somebody who is signed in confirmed a change."""
        at, proof = datetime.now(UTC), Proof(opened.person, step)
        await self._commit(
            opened.person.name, lambda now: commands.use_code(now, at, opened.secret.digest, host, proof)
        )

    async def sign_out(self, name: str, sessions: Iterable[str], by: str, cause: SignOutCause) -> None:
        who, ending = _origin(by, ""), [*sessions]
        await self._commit(name, lambda person: commands.sign_out(person, who, ending, cause))

    def open_session(self, cookie: str) -> BrowserSession | None:
        """The session of a cookie, if it has not ended."""
        secret = parse_secret(cookie)
        person = self.get(secret.person)
        session = person.session(secret.digest, datetime.now(UTC)) if person else None
        return BrowserSession(person, session, secret) if person and session else None

    def last_use(self, digest: str, session: Session) -> datetime:
        return max(session.used_at, self._last_uses.get(digest, session.used_at))

    async def note_use(self, opened: BrowserSession, host: str) -> None:
        """Remembers the use of a session. An event records it once an hour, a new host sooner."""
        now, digest = datetime.now(UTC), opened.secret.digest
        noted = max(opened.session.used_at, self._noted_uses.get(digest, opened.session.used_at))
        self._last_uses[digest] = now
        if now - noted < (USE_NOTED_EVERY if opened.session.host == host else MOVE_NOTED_EVERY):
            return
        self._noted_uses[digest] = now
        try:
            await self._commit(opened.person.name, lambda person: commands.use_session(person, now, digest, host))
        except (TransientError, ConflictError) as error:
            _log.warning("the use of a session is not recorded", person=opened.person.name, error=str(error))

    async def _check_account(self, name: str, role: PersonRole, account: str) -> None:
        try:
            await token_of(self._bus, PersonRights(person=name, role=role, account=account))
        except RightsRefused:
            raise RefusedCommand(f"there is no account {account}") from None

    async def _commit(self, name: str, decide: Callable[[Person | None], list[PersonEvent]]) -> None:
        await self._projection.commit(name, decide)


def _origin(by: str, reason: str) -> CommandOrigin:
    return CommandOrigin(datetime.now(UTC), by, reason)
