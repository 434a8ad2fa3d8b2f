"""What recipients' domains ask of TLS: DANE (RFC 7672) and MTA-STS (RFC 8461)."""

import asyncio
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

_CHECKED_SECONDS = 300.0  # a new policy is noticed that soon
_MAX_CHECKED = 10_000  # domains
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
    """`fetch` gets policy files."""

    def __init__(self, resolver: Resolver, store: PolicyStore, fetch: Fetch) -> None:
        self._resolver, self._store, self._fetch = resolver, store, fetch
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
            return replace(target, proven=found.validated)
        if not policy.allows(target.host):
            return f"the MTA-STS policy of {found.domain} doesn't name {target.host}"
        return replace(target, tls=TlsUse.REQUIRED, proven=True)

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
            return None
        event = StsPolicyFetched(at=now, domain=domain, policy=identity, mode=mode, mx=hosts, max_age=max_age)
        await self._store.append(event)
        return StsPolicy(policy=identity, mode=mode, mx=hosts, max_age=max_age, fetched_at=now)
