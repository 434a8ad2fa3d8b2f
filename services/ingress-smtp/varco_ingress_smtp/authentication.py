"""Who sends: logins and trusted networks, asked of policy and remembered until their account changes."""

import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

import msgspec

from varco_common.base.errors import TransientError
from varco_common.base.subjects import event, token
from varco_common.events import CredentialRemoved, PasswordChanged
from varco_common.events.base import fact
from varco_common.mail import grants
from varco_common.mail.grants import Denied, Grant, GrantAnswer, LoginQuestion, NetworkQuestion, Unavailable
from varco_ingress_smtp.smtp.limits import PerHostSemaphore

POLICY_EVENTS = event("policy", "*", "*")
SETTLE_SECONDS = 5.0  # an answer so soon after a change may come from before it: used, and not remembered
MAX_LOGINS = 10_000
LOGINS_AT_ONCE = 2  # of one host: a password costs policy 100 ms of CPU, and nobody may keep the others from theirs
_ASK_SECONDS = 5.0
_LOGIN_ENDED = frozenset({fact(CredentialRemoved), fact(PasswordChanged)})


class Asks(Protocol):
    """What is needed of the bus."""

    async def ask(self, subject: str, payload: bytes, timeout: float = 2.0) -> bytes: ...


@dataclass(frozen=True, slots=True)
class CachedGrant:
    """A grant as a session holds it."""

    grant: Grant
    senders: frozenset[str]
    key: str  # the account as the subjects of its events spell it
    at: float


@dataclass(slots=True)
class _Memory:
    """Answers by key, the least recently used forgotten first. Times are those of time.monotonic()."""

    most: int
    seconds: float
    answers: "OrderedDict[bytes, tuple[float, CachedGrant | Denied]]" = field(default_factory=OrderedDict)

    def get(self, key: bytes) -> CachedGrant | Denied | None:
        found = self.answers.get(key)
        if not found or found[0] < time.monotonic():
            self.answers.pop(key, None)
            return None
        self.answers.move_to_end(key)
        return found[1]

    def put(self, key: bytes, answer: CachedGrant | Denied) -> None:
        self.answers[key] = time.monotonic() + self.seconds, answer
        while len(self.answers) > self.most:
            self.answers.popitem(last=False)

    def drop(self, key: str) -> None:
        """What a change of this account may have made untrue: its own grants, and every refusal."""
        for place, (_, answer) in [*self.answers.items()]:
            if isinstance(answer, Denied) or answer.key == key:
                del self.answers[place]


class Authenticator:
    """Asks policy, and remembers: logins as a keyed hash, networks by address. A wrong login is never remembered."""

    def __init__(self, bus: Asks, seconds: float, networks: int) -> None:
        self._bus = bus
        self._key = secrets.token_bytes(32)
        self._logins = _Memory(MAX_LOGINS, seconds)
        self._networks = _Memory(networks, seconds)
        self._turns = PerHostSemaphore(LOGINS_AT_ONCE)
        self._changed: dict[str, float] = {}
        self._logins_ended: dict[str, float] = {}
        self._last_change = -SETTLE_SECONDS
        self._forgotten = 0.0

    def __len__(self) -> int:
        return len(self._logins.answers) + len(self._networks.answers)

    async def login(self, asked: LoginQuestion) -> CachedGrant | Denied | Unavailable:
        key = blake2b(msgspec.msgpack.encode(asked), key=self._key).digest()  # the host, too: policy notes each one
        if known := self._logins.get(key):
            return known
        async with self._turns.of(asked.host):
            answer = self._logins.get(key) or await self._ask(grants.LOGIN, grants.encode(asked))
        if isinstance(answer, CachedGrant) and self._settled(answer):
            self._logins.put(key, answer)
        return answer

    async def network(self, asked: NetworkQuestion) -> CachedGrant | Denied | Unavailable:
        key = f"{asked.host} {asked.server_name}".encode()
        if known := self._networks.get(key):
            return known
        answer = await self._ask(grants.NETWORK, grants.encode(asked))
        if not isinstance(answer, Unavailable) and self._settled(answer):
            self._networks.put(key, answer)
        return answer

    def stale(self, granted: CachedGrant) -> bool:
        """Whether the account may have changed since: then only policy's vote knows what holds."""
        return max(self._changed.get(granted.key, 0.0), self._forgotten) >= granted.at

    def ended(self, granted: CachedGrant) -> bool:
        """Whether a login of the account was removed, or got another password, since: it may be this one."""
        return self._logins_ended.get(granted.key, 0.0) >= granted.at

    def heard(self, subject: str) -> None:
        """An event of policy passes by: `events.policy.<fact>.<account>`."""
        _, _, what, key = subject.split(".", 3)
        self._last_change = self._changed[key] = time.monotonic()
        if what in _LOGIN_ENDED:
            self._logins_ended[key] = self._last_change
        self._logins.drop(key)
        self._networks.drop(key)

    def forget(self) -> None:
        """After a reconnect: nobody knows what passed by meanwhile."""
        self._forgotten = time.monotonic()
        self._logins.answers.clear()
        self._networks.answers.clear()

    async def _ask(self, subject: str, question: bytes) -> CachedGrant | Denied | Unavailable:
        at = time.monotonic()
        try:
            answer: GrantAnswer = grants.decode_answer(await self._bus.ask(subject, question, timeout=_ASK_SECONDS))
        except (TransientError, msgspec.DecodeError) as error:
            return Unavailable(reason=str(error))
        if isinstance(answer, Grant):
            return CachedGrant(answer, frozenset(answer.senders), token(answer.account), at)
        return answer

    def _settled(self, answer: CachedGrant | Denied) -> bool:
        changed = (
            self._changed.get(answer.key, -SETTLE_SECONDS) if isinstance(answer, CachedGrant) else self._last_change
        )
        return time.monotonic() - changed > SETTLE_SECONDS
