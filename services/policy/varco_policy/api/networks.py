"""Networks that may send without AUTH, and the host names of an account.

Only an admin changes them.
"""

from fastapi import APIRouter

from varco_common.runtime.auth import AccountScope, Admin
from varco_common.runtime.command_api import ChangedOut, Command
from varco_common.runtime.request_model import AccountName
from varco_policy import commands
from varco_policy.api.command_runner import CommandRunner
from varco_policy.api.request_parsing import parse_domain, parse_hosts, parse_network
from varco_policy.api.request_schemas import HostNames, NetworkForm
from varco_policy.api.response_schemas import TrustedOut
from varco_policy.normalization import normal_network


def router(runner: CommandRunner) -> APIRouter:
    api = APIRouter(prefix="/accounts/{account}")

    @api.get("/networks", tags=["networks"])
    async def list_networks(account: AccountName, _: AccountScope) -> list[TrustedOut]:
        """The account's networks, each with the time since when, and why."""
        return [
            TrustedOut(
                network=trusted.network,
                normalise=trusted.normalise,
                domain=trusted.domain,
                since=trusted.trusted_at,
                reason=trusted.reason,
            )
            for trusted in runner.existing(account).networks.values()
        ]

    @api.put("/networks/{network:path}", tags=["networks"])
    async def trust_network(
        account: AccountName, network: str, form: NetworkForm, command: Command, _: Admin
    ) -> ChangedOut:
        """Trusts a network.

        If networks of two accounts overlap, the narrower one decides; the same one is refused.
        """
        network, owner = parse_network(network, command.reason, force=form.force), runner.owners.network
        domain = parse_domain(form)
        return await runner.change(
            account,
            command,
            lambda state, context: commands.trust_network(
                state, context, network, owner, normalise=form.normalise, domain=domain
            ),
        )

    @api.delete("/networks/{network:path}", tags=["networks"])
    async def withdraw_network(account: AccountName, network: str, command: Command, _: Admin) -> ChangedOut:
        """Hosts in it must log in from now on."""
        network = normal_network(network, forced=True)
        return await runner.change(
            account, command, lambda state, context: commands.withdraw_network(state, context, network)
        )

    @api.get("/hosts", tags=["hosts"])
    async def list_hosts(account: AccountName, _: AccountScope) -> HostNames:
        """The names that the account's clients connect to."""
        return HostNames(hosts=[*runner.existing(account).hosts])

    @api.put("/hosts", tags=["hosts"])
    async def name_hosts(account: AccountName, form: HostNames, command: Command, _: Admin) -> ChangedOut:
        """Replaces all of them."""
        hosts = parse_hosts(form.hosts)
        return await runner.change(account, command, lambda state, context: commands.name_hosts(state, context, hosts))

    return api
