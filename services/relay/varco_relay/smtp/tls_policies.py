"""What recipients' domains ask of TLS: DANE (RFC 7672) and MTA-STS (RFC 8461)."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from cachetools import TTLCache

from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.dns import Found, Resolver, TlsaRecord, Unknown
from varco_common.events import StsMode, StsPolicyFetched, TlsUse
from varco_relay.model.sts_policy import StsPolicy, parse_policy, policy_id
from varco_relay.smtp.dane import usable
from varco_relay.smtp.mx_lookup import MxHosts
from varco_relay.smtp.target import SmtpTarget
from varco_relay.smtp.tls_session import AppliedPolicy, PolicyType, SessionLog, TlsFailure, TlsResult

_CHECKED_SECONDS = 300.0  # a new policy is noticed that soon
_MAX_CHECKED = 10_000  # domains
_MAX_REASON = 200  # characters, in a report
_log = log.get(__name__)

Fetch = Callable[[str], Awaitable[str]]
"""From a domain to its policy file. Raises TransientError."""


@dataclass(frozen=True, kw_only=True)
class PolicyStore:
    """Where policies survive a restart: `get` finds one by domain. `now` is the clock."""

    get: Callable[[str], StsPolicy | None]
    append: Callable[[StsPolicyFetched], Awaitable[object]]
    now: Callable[[], datetime]


class TlsPolicies:
    """`fetch` gets policy files. With `sessions` policies that are only tested are tried, too."""

    def __init__(
        self, resolver: Resolver, store: PolicyStore, fetch: Fetch, sessions: SessionLog | None = None
    ) -> None:
        self._resolver, self._store, self._fetch, self._sessions = resolver, store, fetch, sessions
        self._looks: TTLCache[str, asyncio.Task[StsPolicy | None]] = TTLCache(_MAX_CHECKED, _CHECKED_SECONDS)

    async def applied(self, target: SmtpTarget, found: MxHosts) -> SmtpTarget | str:
        """The target with what the domain asks for; or why its mail must not go there.

        RFC 8461 2: DANE comes before MTA-STS.
        """
        if target.tls is TlsUse.NONE:
            return target
        records = await self._tlsa(target, found)
        if isinstance(records, str):
            return records
        unusable = not any(map(usable, records))  # RFC 7672 2.2: they ask for TLS, and authenticate nobody
        if records and not (unusable and target.tls is TlsUse.REQUIRED):
            return replace(target, tls=TlsUse.REQUIRED, dane=records, proven=not unusable)
        policy = await self._sts_policy(found.domain)
        if policy is None or policy.mode is not StsMode.ENFORCE:
            tested = self._sessions and policy and policy.mode is StsMode.TESTING and policy.allows(target.host)
            return replace(target, proven=found.validated, tested=bool(tested))
        if not policy.allows(target.host):
            return f"the MTA-STS policy of {found.domain} doesn't name {target.host}"
        return replace(target, tls=TlsUse.REQUIRED, proven=True)

    async def described(self, target: SmtpTarget, found: MxHosts) -> AppliedPolicy:
        """What a session with this target goes by, after `applied`."""
        domain = found.domain
        if target.dane:
            records = tuple(f"{r.usage} {r.selector} {r.matching_type} {r.data.hex()}" for r in target.dane)
            return AppliedPolicy(domain=domain, kind=PolicyType.TLSA, name=target.host, strings=records)
        policy = await self._sts_policy(domain)
        if policy is None or policy.mode is StsMode.NONE:
            return AppliedPolicy(domain=domain, kind=PolicyType.NONE, name=domain)
        lines = (
            "version: STSv1",
            f"mode: {policy.mode}",
            *(f"mx: {mx}" for mx in policy.mx),
            f"max_age: {policy.max_age}",
        )
        return AppliedPolicy(domain=domain, kind=PolicyType.STS, name=domain, strings=lines, mx=policy.mx)

    async def objection(self, host: str, found: MxHosts) -> str:
        """Why a policy that is only tested would keep mail from this host; else empty."""
        policy = await self._sts_policy(found.domain)
        if policy and policy.mode is StsMode.TESTING and not policy.allows(host):
            return f"the policy doesn't name {host}"
        return ""

    async def applied_to_name(self, target: SmtpTarget, found: MxHosts) -> SmtpTarget | str:
        """The same for a host of a name that a route has (`mx:name`).

        `tls: required` means that a server of this name gets the mail. Where neither DNSSEC nor a
        policy proves that the host is one, its certificate must: it has the name itself, or is that
        of a host below the name.
        """
        if target.tls is not TlsUse.REQUIRED:
            return target
        applied = await self.applied(target, found)
        if isinstance(applied, str) or applied.proven:
            return applied
        is_below = applied.host == found.domain or applied.host.endswith(f".{found.domain}")
        return replace(applied, certificate="" if is_below else found.domain, proven=True)

    async def _tlsa(self, target: SmtpTarget, found: MxHosts) -> tuple[TlsaRecord, ...] | str:
        """The records of the host, if DNSSEC proves each step on the way to them (RFC 7672 2.2)."""
        if not found.validated:
            return ()
        name = await self._proven_name(target.host)
        if isinstance(name, Unknown):  # RFC 7672 2.1.2, as below
            return f"whether it has TLSA records isn't known: {name.reason}"
        if not name:
            return ()
        answer = await self._resolver.tlsa(f"_{target.port}._tcp.{name}")
        match answer:
            case Found(records=records, validated=True):
                return records
            case Unknown(reason=reason):  # RFC 7672 2.1.2: an attacker may suppress the answer
                return f"whether it has TLSA records isn't known: {reason}"
            case _:
                return ()

    async def _proven_name(self, host: str) -> str | Unknown:
        """The host's name, behind CNAMEs, if its addresses are proven; else empty."""
        unknown: Unknown | None = None
        for question in (self._resolver.a, self._resolver.aaaa):
            answer = await question(host, dnssec=True)
            if isinstance(answer, Found):
                return answer.name if answer.validated else ""
            if isinstance(answer, Unknown):
                unknown = answer
        return unknown or ""

    async def _sts_policy(self, domain: str) -> StsPolicy | None:
        """The policy that holds now: a new one, or the one that is known (RFC 8461 5.1).

        Mails that come while it is fetched wait for it: without it they could leave in clear.
        """
        if not (look := self._looks.get(domain)):
            look = self._looks[domain] = asyncio.create_task(self._renewed(domain, self._store.get(domain)))
        try:
            known = await asyncio.shield(look) or self._store.get(domain)
        except TransientError:
            self._looks.pop(domain, None)
            raise
        return known if known and known.holds(self._store.now()) else None

    async def _renewed(self, domain: str, known: StsPolicy | None) -> StsPolicy | None:
        answer = await self._resolver.txt(f"_mta-sts.{domain}")
        identity = policy_id(answer.records) if isinstance(answer, Found) else ""
        now = self._store.now()
        if not identity or (known and known.policy == identity and not known.is_stale(now)):
            return None
        try:
            mode, hosts, max_age = parse_policy(await self._fetch(domain))
        except (TransientError, ValueError) as error:
            _log.warning("an MTA-STS policy can't be fetched", domain=domain, error=str(error))
            self._note_fetch_error(domain, error)
            return None
        event = StsPolicyFetched(at=now, domain=domain, policy=identity, mode=mode, mx=hosts, max_age=max_age)
        await self._store.append(event)
        return StsPolicy(policy=identity, mode=mode, mx=hosts, max_age=max_age, fetched_at=now)

    def _note_fetch_error(self, domain: str, error: Exception) -> None:
        if not self._sessions:
            return
        result = TlsResult.STS_FETCH_ERROR
        if isinstance(error, ValueError):
            result = TlsResult.STS_INVALID
        elif isinstance(error.__cause__, ssl.SSLCertVerificationError):
            result = TlsResult.STS_WEBPKI_INVALID
        policy = AppliedPolicy(domain=domain, kind=PolicyType.NONE, name=domain)
        self._sessions.note(policy, TlsFailure(result=result, reason=str(error)[:_MAX_REASON]))
