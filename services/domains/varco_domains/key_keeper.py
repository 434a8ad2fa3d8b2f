"""Keeps the DKIM keys of domains: asks relay for them, sees their records, retires old ones."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.base.tasks import all_results
from varco_common.bus import Bus
from varco_common.dns import Resolver
from varco_common.events import DkimAlgorithm
from varco_common.events.domain_table import AccountDomain, AccountDomains
from varco_common.eventsourcing.command_executor import CommandExecutor
from varco_common.eventsourcing.commands import Change, CommandContext, CommandRequest, CommandResult
from varco_common.eventsourcing.projection import Projection
from varco_common.mail.dkim_keys import DKIM_KEY, DkimKeyAnswer, DkimKeyQuestion, decode_answer, encode
from varco_domains import dkim, key_commands, metrics
from varco_domains.decide import later
from varco_domains.dkim import KeyFinding, KeyResult
from varco_domains.turns import take_turns

_SCAN_SECONDS = 5.0  # between looks into memory for keys that are due
_ASK_SECONDS = 10.0  # relay makes an RSA key in some 100 ms, on a busy machine in more
_BY = CommandRequest("domains")
_log = log.get(__name__)

Decide = Callable[[AccountDomains, CommandContext], list[Change]]


class KeyKeeper:
    """What it saw last is in memory only: after a restart it looks at every key that waits."""

    def __init__(
        self,
        bus: Bus,
        domains: Projection[AccountDomains],
        resolver: Resolver,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._bus, self._domains, self._resolver, self._now = bus, domains, resolver, now
        self._executor = CommandExecutor(domains, now)
        self._findings: dict[tuple[str, str, str], KeyFinding] = {}
        self._next: dict[tuple[str, str], datetime] = {}

    def finding(self, account: str, name: str, selector: str) -> str:
        """What the last look at a key's record saw; empty if there was none."""
        finding = self._findings.get((account, name, selector))
        return finding.text if finding else ""

    async def make_first(self, account: str, name: str, *, ed25519: bool = False) -> None:
        """Keys for a domain without any. Raises TransientError while relay is away."""
        if self._keyless(account, name):
            keys = await self._new_keys(ed25519=ed25519)
            await self._execute(
                account,
                _BY,
                lambda state, context: key_commands.first_keys(state, context, name, keys, self._taken(account, name)),
            )

    async def rotate(
        self, account: str, name: str, request: CommandRequest, *, ed25519: bool | None = None
    ) -> CommandResult:
        """The next keys; `ed25519` None: beside RSA if it is so now.

        Raises NotFound, RefusedCommand, TransientError.
        """
        domain = key_commands.rotatable(self._domains.get(account) or AccountDomains(account=account), name)
        has_two = any(key.algorithm is DkimAlgorithm.ED25519 for key in domain.keys.values())
        keys = await self._new_keys(ed25519=has_two if ed25519 is None else ed25519)
        return await self._execute(
            account,
            request,
            lambda state, context: key_commands.next_keys(state, context, name, keys, self._taken(account, name)),
        )

    async def check(self, account: str, name: str) -> None:
        """Looks for the records of keys that wait; those that are there sign from now on."""
        state = self._domains.get(account)
        keys = dkim.waiting_keys(domain) if state and (domain := state.domains.get(name)) else []
        answers = await all_results([self._resolver.txt(dkim.key_record_name(name, key)) for key in keys])
        for key, answer in zip(keys, answers, strict=True):
            finding = dkim.key_finding(name, key, answer)
            metrics.KEY_LOOKS[finding.result].inc()
            self._findings[account, name, key.selector] = finding
            self._next[account, name] = later(key.made_at, self._now())
            if finding.result is KeyResult.FOUND:
                await self._activate(account, name, key.selector)

    async def run(self) -> None:
        """Does what is due for all keys, until it is cancelled."""
        while True:
            await take_turns(self._due(), self._keep)
            await asyncio.sleep(_SCAN_SECONDS)

    async def _keep(self, account: str, domain: AccountDomain) -> None:
        name = domain.name
        try:
            await self.make_first(account, name)
            if self._is_look_due(account, domain):
                await self.check(account, name)
            if dkim.retiring_keys(domain, self._now()):
                await self._execute(account, _BY, lambda state, context: key_commands.retire(state, context, name))
        except TransientError as error:
            _log.warning("the keys of a domain wait", account=account, domain=name, error=str(error))

    def _is_look_due(self, account: str, domain: AccountDomain) -> bool:
        now = self._now()
        return bool(dkim.waiting_keys(domain)) and self._next.get((account, domain.name), now) <= now

    async def _activate(self, account: str, name: str, selector: str) -> None:
        await self._execute(account, _BY, lambda state, context: key_commands.activate(state, context, name, selector))

    async def _execute(self, account: str, request: CommandRequest, decide: Decide) -> CommandResult:
        return await self._executor.execute(
            account, request, lambda state, context: decide(state or AccountDomains(account=account), context)
        )

    async def _new_keys(self, *, ed25519: bool) -> dict[DkimAlgorithm, DkimKeyAnswer]:
        algorithms: Iterable[DkimAlgorithm] = (
            (DkimAlgorithm.RSA, DkimAlgorithm.ED25519) if ed25519 else (DkimAlgorithm.RSA,)
        )
        return {algorithm: await self._ask(algorithm) for algorithm in algorithms}

    async def _ask(self, algorithm: DkimAlgorithm) -> DkimKeyAnswer:
        question = encode(DkimKeyQuestion(algorithm=algorithm))
        return decode_answer(await self._bus.requests.ask(DKIM_KEY, question, _ASK_SECONDS))

    def _keyless(self, account: str, name: str) -> bool:
        state = self._domains.get(account)
        domain = state.domains.get(name) if state else None
        return domain is not None and not domain.keys

    def _taken(self, account: str, name: str) -> set[str]:
        """The selectors of other accounts that share the domain."""
        others = (state.domains.get(name) for other, state in self._domains.items() if other != account)
        return {selector for domain in others if domain for selector in domain.keys}

    def _due(self) -> Iterator[tuple[str, AccountDomain]]:
        now = self._now()
        for account, state in self._domains.items():
            for domain in state.domains.values():
                keyless = domain.added and not domain.keys
                if keyless or self._is_look_due(account, domain) or dkim.retiring_keys(domain, now):
                    yield account, domain
