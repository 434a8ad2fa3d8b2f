"""The HTTP API: the domains of each account, and their proof."""

import secrets
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Path, Query, Response
from pydantic import TypeAdapter

from varco_common.base.errors import NotFound, TransientError
from varco_common.base.merge_patch import is_off
from varco_common.events.domain_table import AccountDomains
from varco_common.eventsourcing.command_executor import CommandExecutor
from varco_common.eventsourcing.commands import Change, CommandContext, CommandRequest
from varco_common.eventsourcing.projection import Projection
from varco_common.runtime.auth import AccountScope, Admin, Caller, visible_account
from varco_common.runtime.command_api import ChangedOut, Command, Patch, ReasonedCommand, SettingsCommand
from varco_common.runtime.documents import parsed
from varco_common.runtime.request_model import AccountName
from varco_domains import commands
from varco_domains.api.reputation import ReputationView
from varco_domains.api.schemas import AccountDomainsOut, DomainOut, DomainsSection
from varco_domains.key_keeper import KeyKeeper
from varco_domains.normalization import normal_domain
from varco_domains.proof_checker import ProofChecker
from varco_domains.reputation.model import domain_key

_SECTION: TypeAdapter[list[str]] = TypeAdapter(DomainsSection)
_PROOF_BYTES = 16

DomainName = Annotated[str, Path(max_length=300, description="The domain, also in its international form.")]


Ed25519 = Annotated[bool, Query(description="An Ed25519 key beside the RSA key (RFC 8463).")]


def make_proof() -> str:
    """A value for a TXT record."""
    return f"varco-domain={secrets.token_hex(_PROOF_BYTES)}"


class DomainCommands:
    """Carries out commands on the domains of accounts."""

    def __init__(self, domains: Projection[AccountDomains], prover: commands.Prover) -> None:
        self._executor, self._prover = CommandExecutor(domains), prover

    async def set(self, account: str, request: CommandRequest, names: list[str]) -> ChangedOut:
        unique = tuple(dict.fromkeys(names))

        def decide(state: AccountDomains | None, context: CommandContext) -> list[Change]:
            return commands.set_domains(_state(state, account), context, unique, self._prover, make_proof)

        return ChangedOut.of(await self._executor.execute(account, request, decide))

    async def add(self, account: str, request: CommandRequest, name: str) -> ChangedOut:
        def decide(state: AccountDomains | None, context: CommandContext) -> list[Change]:
            return commands.add_domain(_state(state, account), context, name, self._prover, make_proof)

        return ChangedOut.of(await self._executor.execute(account, request, decide))

    async def vouch(self, account: str, request: CommandRequest, name: str) -> ChangedOut:
        def decide(state: AccountDomains | None, context: CommandContext) -> list[Change]:
            return commands.vouch(_state(state, account), context, name, self._prover, make_proof)

        return ChangedOut.of(await self._executor.execute(account, request, decide))

    async def remove(self, account: str, request: CommandRequest, name: str) -> ChangedOut:
        def decide(state: AccountDomains | None, context: CommandContext) -> list[Change]:
            return commands.remove_domain(_state(state, account), context, name)

        return ChangedOut.of(await self._executor.execute(account, request, decide))


class Checks(NamedTuple):
    """What looks at a domain: for its proof, for its keys, and as the world sees it."""

    proof: ProofChecker
    keys: KeyKeeper
    view: ReputationView


def router(
    domains: Projection[AccountDomains],
    checker: ProofChecker,
    keeper: KeyKeeper,
    prover: commands.Prover,
    view: ReputationView,
) -> APIRouter:
    """All routes of the service."""
    api, executor = APIRouter(tags=["domains"]), DomainCommands(domains, prover)

    def shown(account: str) -> list[DomainOut]:
        state = _state(domains.get(account), account)
        return [
            DomainOut.of(
                account,
                domain,
                checker.last_look(account, name),
                view.of(domain_key(account, name)),
                partial(keeper.finding, account, name),
            )
            for name, domain in sorted(state.domains.items())
        ]

    _sections(api, executor, domains, shown)
    _single(api, executor, Checks(checker, keeper, view), shown)

    @api.get("/domains")
    async def list_domains(
        token: Caller, account: Annotated[str, Query(description="Only of this account")] = ""
    ) -> list[DomainOut]:
        """All domains that the token covers."""
        only = visible_account(token, account)
        names = sorted(name for name, _ in domains.items() if only in ("", name))
        return [domain for name in names for domain in shown(name)]

    return api


def _sections(api: APIRouter, executor: DomainCommands, domains: Projection[AccountDomains], shown: Any) -> None:
    @api.get("/accounts/{account}/domains")
    async def show_section(account: AccountName, _: AccountScope, response: Response) -> AccountDomainsOut:
        """The account's domains. ETag is their version."""
        version = await domains.version(account)
        response.headers["ETag"] = f'"{version}"'
        every = shown(account)
        added = [domain.domain for domain in every if domain.added]
        return AccountDomainsOut(account=account, version=version, domains=added, all=every)

    @api.put("/accounts/{account}/domains")
    async def put(account: AccountName, names: DomainsSection, request: SettingsCommand, _: AccountScope) -> ChangedOut:
        """The whole list: domains that are left out are removed."""
        return await executor.set(account, request, names)

    @api.patch("/accounts/{account}/domains")
    async def patch(account: AccountName, request: SettingsCommand, _: AccountScope, names: Patch = None) -> ChangedOut:
        """The whole list, as an account file has it. null or `off`: none."""
        section = [] if is_off(names) else parsed(_SECTION, names)
        return await executor.set(account, request, section)


def _single(api: APIRouter, executor: DomainCommands, checks: Checks, shown: Any) -> None:
    place = "/accounts/{account}/domains/{domain}"

    @api.get(place)
    async def show(account: AccountName, domain: DomainName, _: AccountScope) -> DomainOut:
        """The domain with the record that proves it."""
        name = normal_domain(domain)
        for entry in shown(account):
            if entry.domain == name:
                return entry  # type: ignore[no-any-return]
        raise NotFound(f"{name} is not among the domains of {account}")

    @api.put(place)
    async def add(
        account: AccountName, domain: DomainName, request: Command, _: AccountScope, *, ed25519: Ed25519 = False
    ) -> ChangedOut:
        """Adds a domain, which is then to be proven, and makes its first DKIM key."""
        name = normal_domain(domain)
        answer = await executor.add(account, request, name)
        with suppress(TransientError):  # relay is away: the key is made when it is back
            await checks.keys.make_first(account, name, ed25519=ed25519)
        return answer

    @api.delete(place)
    async def remove(account: AccountName, domain: DomainName, request: Command, _: AccountScope) -> ChangedOut:
        """The senders under it must be withdrawn first."""
        return await executor.remove(account, request, normal_domain(domain))

    @api.post(f"{place}/check")
    async def check(account: AccountName, domain: DomainName, request: Command, token: AccountScope) -> DomainOut:
        """Looks for the records now, and at what the world sees of an owned domain."""
        name = normal_domain(domain)
        await checks.keys.check(account, name)
        await checks.proof.check(account, name, request.by)
        await checks.view.look(account, name)
        return await show(account, domain, token)

    @api.post(f"{place}/rotate")
    async def rotate(
        account: AccountName,
        domain: DomainName,
        request: Command,
        _: AccountScope,
        *,
        ed25519: Ed25519 | None = None,
    ) -> ChangedOut:
        """Makes the next DKIM key, which signs once its record was seen."""
        return ChangedOut.of(await checks.keys.rotate(account, normal_domain(domain), request, ed25519=ed25519))

    @api.post(f"{place}/vouch")
    async def vouch(account: AccountName, domain: DomainName, request: ReasonedCommand, _: Admin) -> ChangedOut:
        """An operator's word instead of a proof, with a reason."""
        return await executor.vouch(account, request, normal_domain(domain))


def _state(state: AccountDomains | None, account: str) -> AccountDomains:
    return state or AccountDomains(account=account)
