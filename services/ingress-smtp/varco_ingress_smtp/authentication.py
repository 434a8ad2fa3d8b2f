"""Who sends: logins and trusted networks.

Policy answers; the answer is cached until the account changes (ADR 3).
"""

import secrets
import time
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

import msgspec
from cachetools import TTLCache

from varco_common.base.errors import TransientError
from varco_common.base.subjects import event, token
from varco_common.events import CredentialDisabled, CredentialRemoved, PasswordChanged, fact
from varco_common.mail import grants
from varco_common.mail.grants import Denied, Grant, GrantAnswer, LoginQuestion, NetworkQuestion, Unavailable
from varco_ingress_smtp.smtp.limits import PerHostSemaphore

POLICY_EVENTS = event("policy", "*", "*")
CACHE_SECONDS = 600.0  # bounds what a missed event can do; a cached login also saves policy 100 ms of CPU
MAX_LOGINS = 10_000
MAX_NETWORKS = 10_000
SETTLE_SECONDS = 5.0  # an answer so soon after a change may come from before it: used, and not cached
LOGINS_AT_ONCE = 2  # of one host: a password costs policy 100 ms of CPU, and nobody may keep the others from theirs
_ASK_SECONDS = 15.0  # policy's queue of passwords is shorter, and answers at once when it is full
_LOGIN_ENDED = frozenset({fact(CredentialRemoved), fact(CredentialDisabled), fact(PasswordChanged)})


class RequestClient(Protocol):
    """The part of the bus that is needed here."""

    async def ask(self, subject: str, payload: bytes, timeout: float = 2.0) -> bytes: ...


@dataclass(frozen=True, slots=True)
class CachedGrant:
    """A grant as a session holds it. `at` is when policy was asked, in time.monotonic() seconds."""

    grant: Grant
    senders: frozenset[str]
    account_token: str  # the account as the subjects of its events spell it
    at: float


Answer = CachedGrant | Denied
Cache = TTLCache[bytes, Answer]


class Authenticator:
    """Asks policy, and caches: logins by a keyed hash, networks by address.

    A wrong login is never cached.
    """

    def __init__(
        self, requests: RequestClient, *, cache_seconds: float = CACHE_SECONDS, max_networks: int = MAX_NETWORKS
    ) -> None:
        self._requests = requests
        self._hash_key = secrets.token_bytes(32)
        self._logins: Cache = TTLCache(MAX_LOGINS, cache_seconds, timer=time.monotonic)
        self._networks: Cache = TTLCache(max_networks, cache_seconds, timer=time.monotonic)
        self._login_slots = PerHostSemaphore(LOGINS_AT_ONCE)
        self._changed: dict[str, float] = {}
        self._logins_ended: dict[str, float] = {}
        self._last_change = -SETTLE_SECONDS
        self._reconnected = 0.0

    def __len__(self) -> int:
        return len(self._logins) + len(self._networks)

    def knows(self, question: LoginQuestion) -> bool:
        """Whether this login with this password was granted lately."""
        return self._login_key(question) in self._logins

    def _login_key(self, question: LoginQuestion) -> bytes:
        return blake2b(msgspec.msgpack.encode(question), key=self._hash_key).digest()  # policy notes each host

    async def login(self, question: LoginQuestion) -> CachedGrant | Denied | Unavailable:
        """The grant of a login and its password."""
        key = self._login_key(question)
        if known := self._logins.get(key):
            return known
        async with self._login_slots.of(question.host):
            answer = self._logins.get(key) or await self._ask(grants.LOGIN, grants.encode(question))
        if isinstance(answer, CachedGrant) and self._settled(answer):
            self._logins[key] = answer
        return answer

    async def network(self, question: NetworkQuestion) -> CachedGrant | Denied | Unavailable:
        """The grant of the network that a client's address is in."""
        key = f"{question.host} {question.server_name}".encode()
        if known := self._networks.get(key):
            return known
        answer = await self._ask(grants.NETWORK, grants.encode(question))
        if not isinstance(answer, Unavailable) and self._settled(answer):
            self._networks[key] = answer
        return answer

    def account_changed(self, cached: CachedGrant) -> bool:
        """Whether the account may have changed since. Then only policy's vote knows what holds."""
        return max(self._changed.get(cached.account_token, 0.0), self._reconnected) >= cached.at

    def login_ended(self, cached: CachedGrant) -> bool:
        """Whether a login of the account was removed, disabled, or got another password, since.

        It may be the login of `cached`.
        """
        return self._logins_ended.get(cached.account_token, 0.0) >= cached.at

    def on_policy_event(self, subject: str) -> None:
        """Drops what an event of policy (`events.policy.<fact>.<account>`) may have made untrue."""
        _, _, name, account_token = subject.split(".", 3)
        self._last_change = self._changed[account_token] = time.monotonic()
        if name in _LOGIN_ENDED:
            self._logins_ended[account_token] = self._last_change
        _drop(self._logins, account_token)
        _drop(self._networks, account_token)

    def on_reconnect(self) -> None:
        """Drops everything: events may have been missed."""
        self._reconnected = time.monotonic()
        self._logins.clear()
        self._networks.clear()

    async def _ask(self, subject: str, question: bytes) -> CachedGrant | Denied | Unavailable:
        at = time.monotonic()
        try:
            reply = await self._requests.ask(subject, question, timeout=_ASK_SECONDS)
            answer: GrantAnswer = grants.decode_answer(reply)
        except (TransientError, msgspec.DecodeError) as error:
            return Unavailable(reason=str(error))
        if isinstance(answer, Grant):
            return CachedGrant(answer, frozenset(answer.senders), token(answer.account), at)
        return answer

    def _settled(self, answer: Answer) -> bool:
        if isinstance(answer, CachedGrant):
            changed = self._changed.get(answer.account_token, -SETTLE_SECONDS)
        else:
            changed = self._last_change
        return time.monotonic() - changed > SETTLE_SECONDS


def _drop(cache: Cache, account_token: str) -> None:
    """Removes the account's own grants, and every refusal: it may have been this account's."""
    for key, answer in [*cache.items()]:
        if isinstance(answer, Denied) or answer.account_token == account_token:
            cache.pop(key, None)
