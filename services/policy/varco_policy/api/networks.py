"""Networks that may send without AUTH, and the host names of an account: an admin's to change."""

from fastapi import APIRouter

from varco_common.runtime.auth import AccountScope, Admin
from varco_policy import commands
from varco_policy.api import request_parsing
from varco_policy.api.command_runner import AccountName, Asked, CommandRunner
from varco_policy.api.schemas import ChangesOut, HostNames, NetworkForm, TrustedOut
from varco_policy.network_index import normal_network


def router(runner: CommandRunner) -> APIRouter:
    api = APIRouter(prefix="/accounts/{account}")

    @api.get("/networks", tags=["networks"])
    async def list_networks(account: AccountName, _: AccountScope) -> list[TrustedOut]:
        """The account's networks, with since when and why."""
        return [
            TrustedOut(network=held.network, normalise=held.normalise, since=held.trusted_at, reason=held.reason)
            for held in runner.existing(account).networks.values()
        ]

    @api.put("/networks/{network:path}", tags=["networks"])
    async def trust_network(
        account: AccountName, network: str, form: NetworkForm, asked: Asked, _: Admin
    ) -> ChangesOut:
        """Trusts a network. Where networks of two accounts overlap the narrower one decides; the same one is refused."""
        wanted, owner = request_parsing.network(network, asked.reason, force=form.force), runner.owners.network
        return await runner.change(
            account, asked, lambda state, said: commands.trust(state, said, wanted, owner, normalise=form.normalise)
        )

    @api.delete("/networks/{network:path}", tags=["networks"])
    async def withdraw_network(account: AccountName, network: str, asked: Asked, _: Admin) -> ChangesOut:
        """Hosts in it must log in from now on."""
        wanted = normal_network(network, forced=True)
        return await runner.change(account, asked, lambda state, said: commands.distrust(state, said, wanted))

    @api.get("/hosts", tags=["hosts"])
    async def list_hosts(account: AccountName, _: AccountScope) -> HostNames:
        """The names that the account's clients connect to."""
        return HostNames(hosts=[*runner.existing(account).hosts])

    @api.put("/hosts", tags=["hosts"])
    async def name_hosts(account: AccountName, form: HostNames, asked: Asked, _: Admin) -> ChangesOut:
        """All of them: those that are left out are gone."""
        wanted = request_parsing.hosts(form.hosts)
        return await runner.change(account, asked, lambda state, said: commands.name_hosts(state, said, wanted))

    return api
