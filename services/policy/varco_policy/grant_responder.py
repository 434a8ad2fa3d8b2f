"""Answers ingress over the bus: who is this login, whose is this host, and what may they send."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

import msgspec

from varco_common.base import log
from varco_common.base.errors import VarcoError
from varco_common.bus import Bus
from varco_common.events import CredentialUpgraded, CredentialUsed, Notice, PolicyEvent
from varco_common.mail.grants import Denied, Grant, GrantAnswer, LoginQuestion, NetworkQuestion, Unavailable, encode
from varco_common.runtime.passwords import PasswordVerifier, TooManyLoginsError
from varco_policy.account_directory import NAME, AccountDirectory
from varco_policy.metrics import HASHING, LOGINS
from varco_policy.model import Account, Credential
from varco_policy.password_hashes import MAX_PASSWORD_BYTES

MOST_USES = 100_000  # logins by host; what is forgotten is noted again
MAX_UPLOAD = 1_000_000_000  # bytes; the front door has its own limit, which is lower

Use = tuple[str, str, str]  # login, origin, host: whoever guards a login must know all the hosts that it is used from

_logins = msgspec.json.Decoder(LoginQuestion)
_networks = msgspec.json.Decoder(NetworkQuestion)
_OUTCOMES = {Grant: "granted", Denied: "denied", Unavailable: "unavailable"}
_log = log.get(__name__)


class GrantResponder:
    """Answers the two questions of `varco_common.mail.grants`; what a login leads to follows its answer."""

    def __init__(
        self,
        bus: Bus,
        accounts: AccountDirectory,
        verifier: PasswordVerifier,
        used_every: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._bus, self._accounts, self._verifier, self._now = bus, accounts, verifier, now
        self._used_every = used_every
        self._used: OrderedDict[Use, datetime] = OrderedDict()
        self._upgrading: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        HASHING.set_function(lambda: verifier.waiting)

    async def login(self, payload: bytes) -> bytes:
        """LoginAsked to Grant, Denied or Unavailable."""
        asked = _logins.decode(payload)
        try:
            answer = await self._login(asked)
        except TooManyLoginsError as error:
            answer = Unavailable(reason=str(error))
        LOGINS[_OUTCOMES[type(answer)]].inc()
        return encode(answer)

    async def network(self, payload: bytes) -> bytes:
        """NetworkAsked to Grant or Denied."""
        asked = _networks.decode(payload)
        if found := self._accounts.by_host(asked.host):
            account, network = found
            return encode(grant(account, self._accounts.sequence, normalise=network.normalise))
        return encode(Denied(reason="no account trusts this host"))

    async def ended(self) -> None:
        """Waits for what logins led to."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _login(self, asked: LoginQuestion) -> GrantAnswer:
        if len(asked.password.encode()) > MAX_PASSWORD_BYTES:
            return Denied(reason="a password of more than a thousand bytes")
        found = self._accounts.by_login(asked.login)
        digest = found[1].hash if found else ""
        right = await self._verifier.verify(digest, asked.password)
        if not found:
            return Denied(reason="no such login")
        account, credential = found
        if not right:
            return Denied(account=account.name, reason="wrong password")
        if (now := self._accounts.by_login(asked.login)) is None or now[1].origin != credential.origin:
            return Unavailable(reason="the credential was changed while it was verified")
        self._after(account.name, credential, asked)
        return grant(now[0], self._accounts.sequence)

    def _after(self, account: str, credential: Credential, asked: LoginQuestion) -> None:
        at, login = self._now(), credential.login
        use = login, credential.origin, asked.host
        last = self._used.get(use)
        if last is None or at - last >= self._used_every:
            self._remember(use, at)
            used = CredentialUsed(at=at, account=account, by=NAME, login=login, host=asked.host)
            self._start(self._note(used))
        if self._verifier.outdated(credential.hash) and login not in self._upgrading:
            self._upgrading.add(login)
            self._start(self._upgrade(account, credential, asked.password))

    def _remember(self, use: Use, at: datetime) -> None:
        self._used[use] = at
        self._used.move_to_end(use)
        while len(self._used) > MOST_USES:
            self._used.popitem(last=False)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _note(self, used: CredentialUsed) -> None:
        try:
            await self._bus.events.append(used)
        except VarcoError as error:
            _log.warning("a login's use was not noted", login=used.login, error=str(error))

    async def _upgrade(self, account: str, credential: Credential, password: str) -> None:
        try:
            digest = await self._verifier.make(password)
            await self._accounts.commit(account, lambda state: self._upgraded(state, credential, digest))
        except VarcoError as error:  # the next login tries again
            _log.warning("a password's hash was not upgraded", login=credential.login, error=str(error))
        finally:
            self._upgrading.discard(credential.login)

    def _upgraded(self, state: Account | None, credential: Credential, digest: str) -> list[PolicyEvent]:
        """Nothing where the password was changed meanwhile."""
        held = state.credentials.get(credential.login) if state else None
        if state is None or held is None or held.hash != credential.hash:
            return []
        return [CredentialUpgraded(at=self._now(), account=state.name, by=NAME, login=held.login, hash=digest)]


def grant(account: Account, sequence: int, *, normalise: bool = False) -> Grant:
    """What a session of this account may do, as far as the envelope goes."""
    return Grant(
        account=account.name,
        senders=tuple(account.senders),
        max_size=upload_limit(account),
        max_recipients=account.rules.max_recipients,
        language=account.language,
        notices={kind: own for kind in Notice if (own := account.own_notice(kind))},
        normalise=normalise,
        sequence=sequence,
    )


def upload_limit(account: Account) -> int:
    """What may be uploaded, in bytes: more than may leave, once filelink turns attachments of this account into links."""
    return max(account.rules.max_size, MAX_UPLOAD) if account.links_over else account.rules.max_size
