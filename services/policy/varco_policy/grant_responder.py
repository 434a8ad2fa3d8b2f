"""Answers ingress over the bus: whose login or host is this, and what may it send?"""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from cachetools import LRUCache, TTLCache

from varco_common.base import log
from varco_common.base.errors import VarcoError
from varco_common.base.json_decoding import decode_json
from varco_common.bus import Bus
from varco_common.events import CredentialUpgraded, CredentialUsed, Event
from varco_common.events.ban_table import banned_as
from varco_common.mail.grants import (
    INGRESS_NOTICES,
    Denied,
    Grant,
    GrantAnswer,
    LoginQuestion,
    NetworkQuestion,
    Unavailable,
    encode,
)
from varco_common.runtime.passwords import PasswordVerifier, TooManyLoginsError
from varco_policy.account_directory import NAME, AccountDirectory
from varco_policy.metrics import HASHING, LOGINS
from varco_policy.model.account import Account
from varco_policy.model.credential import Credential
from varco_policy.password_hashes import MAX_PASSWORD_BYTES

USE_INTERVAL = timedelta(hours=1)  # between two CredentialUsed events of one login from one host
MAX_REMEMBERED_USES = 100_000  # a use that is forgotten is only recorded again
MAX_UPLOAD = 1_000_000_000  # bytes; ingress has its own limit, which is lower

_login_question = msgspec.json.Decoder(LoginQuestion)
_network_question = msgspec.json.Decoder(NetworkQuestion)
_OUTCOMES = {Grant: "granted", Denied: "denied", Unavailable: "unavailable"}
_log = log.get(__name__)


class GrantResponder:
    """Answers the two questions of `varco_common.mail.grants`.

    After the answer to a login it records the use, and upgrades an imported password hash.
    """

    def __init__(self, bus: Bus, accounts: AccountDirectory, verifier: PasswordVerifier) -> None:
        self._bus, self._accounts, self._verifier = bus, accounts, verifier
        # By login, hash and host: banguard must know every host that a login is used from.
        self._recent_uses: TTLCache[tuple[str, str, str], None] = TTLCache(
            MAX_REMEMBERED_USES, USE_INTERVAL.total_seconds()
        )
        # Logins with the hosts that they were used from: these don't wait behind strangers.
        self._known: LRUCache[tuple[str, str], None] = LRUCache(MAX_REMEMBERED_USES)
        self._upgrading: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        HASHING.set_function(lambda: verifier.waiting)

    async def on_login(self, payload: bytes) -> bytes:
        """LoginQuestion to Grant, Denied or Unavailable."""
        question = decode_json(_login_question, payload)
        try:
            answer = await self._login(question)
        except TooManyLoginsError as error:
            answer = Unavailable(reason=str(error))
        LOGINS[_OUTCOMES[type(answer)]].inc()
        return encode(answer)

    async def on_network(self, payload: bytes) -> bytes:
        """NetworkQuestion to Grant or Denied."""
        trusted = self._accounts.by_host(decode_json(_network_question, payload).host)
        if not trusted:
            return encode(Denied(reason="no account trusts this host"))
        account, network = trusted
        return encode(grant(account, self._accounts.sequence, normalise=network.normalise, domain=network.domain))

    async def drain(self) -> None:
        """Waits until every use and upgrade is recorded."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _login(self, question: LoginQuestion) -> GrantAnswer:
        if len(question.password.encode()) > MAX_PASSWORD_BYTES:
            return Denied(reason="a password of more than a thousand bytes")
        match = self._accounts.by_login(question.login)
        # An unknown login takes as long as a known one, so that nobody can find out which logins
        # exist.
        host = banned_as(question.host)
        known = (question.login.strip().lower(), host) in self._known
        digest = match[1].hash if match else ""
        correct = await self._verifier.verify(digest, question.password, f"host {host}", favoured=known)
        if not match:
            return Denied(reason="no such login")
        account, credential = match
        if not correct:
            return Denied(account=account.name, reason="wrong password")
        current = self._accounts.by_login(question.login)
        if current is None or current[1].origin != credential.origin:
            return Unavailable(reason="the credential was changed while it was verified")
        if current[1].disabled:
            return Denied(account=account.name, reason="the login is disabled", disabled=True)
        self._after_login(account.name, credential, question)
        return grant(current[0], self._accounts.sequence)

    def _after_login(self, account: str, credential: Credential, question: LoginQuestion) -> None:
        self._known[credential.login, banned_as(question.host)] = None
        login, use = credential.login, (credential.login, credential.origin, question.host)
        if use not in self._recent_uses:
            self._recent_uses[use] = None
            used = CredentialUsed(at=datetime.now(UTC), account=account, by=NAME, login=login, host=question.host)
            self._run(self._record_use(used))
        if self._verifier.outdated(credential.hash) and login not in self._upgrading:
            self._upgrading.add(login)
            self._run(self._upgrade(account, credential, question.password))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _record_use(self, used: CredentialUsed) -> None:
        try:
            await self._bus.events.append(used)
        except VarcoError as error:
            _log.warning("the use of a login was not recorded", login=used.login, error=str(error))

    async def _upgrade(self, account: str, credential: Credential, password: str) -> None:
        try:
            new_hash = await self._verifier.make(password, f"account {account}")
            await self._accounts.projection.commit(account, lambda state: _upgraded(state, credential, new_hash))
        except VarcoError as error:  # the next login tries again
            _log.warning("a password hash was not upgraded", login=credential.login, error=str(error))
        finally:
            self._upgrading.discard(credential.login)


def _upgraded(account: Account | None, credential: Credential, new_hash: str) -> list[Event]:
    """No event if the password was changed meanwhile."""
    current = account.credentials.get(credential.login) if account else None
    if account is None or current is None or current.hash != credential.hash:
        return []
    at, login = datetime.now(UTC), credential.login
    return [CredentialUpgraded(at=at, account=account.name, by=NAME, login=login, hash=new_hash)]


def grant(account: Account, sequence: int, *, normalise: bool = False, domain: str = "") -> Grant:
    """What a session of this account may do, as far as the envelope goes."""
    return Grant(
        account=account.name,
        senders=tuple(account.senders),
        max_size=upload_limit(account),
        max_recipients=account.rules.max_recipients,
        texts=account.texts.only(*INGRESS_NOTICES),
        normalise=normalise,
        domain=domain,
        sequence=sequence,
    )


def upload_limit(account: Account) -> int:
    """Bytes that may be uploaded: more than may leave, if filelink turns attachments into links."""
    return max(account.rules.max_size, MAX_UPLOAD) if account.links_over else account.rules.max_size
