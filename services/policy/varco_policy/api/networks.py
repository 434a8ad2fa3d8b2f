"""Networks that may send without AUTH, and the host names of an account: an admin's to change."""

from fastapi import APIRouter

from varco_common.runtime.auth import AccountScope, Admin
from varco_policy import changes
from varco_policy.api import reading
from varco_policy.api.commands import AccountName, Asked, Commands
from varco_policy.api.models import Changed, Names, NetworkForm, TrustedOut
from varco_policy.networks import normal_network


def router(commands: Commands) -> APIRouter:
    api = APIRouter(prefix="/accounts/{account}")

    @api.get("/networks", tags=["networks"])
    async def list_networks(account: AccountName, _: AccountScope) -> list[TrustedOut]:
        """The account's networks, with since when and why."""
        return [
            TrustedOut(network=held.network, normalise=held.normalise, since=held.trusted_at, reason=held.reason)
            for held in commands.existing(account).networks.values()
        ]

    @api.put("/networks/{network:path}", tags=["networks"])
    async def trust_network(account: AccountName, network: str, form: NetworkForm, asked: Asked, _: Admin) -> Changed:
        """Trusts a network. Where networks of two accounts overlap the narrower one decides; the same one is refused."""
        wanted, owner = reading.network(network, asked.reason, force=form.force), commands.owners.network
        return await commands.change(
            account, asked, lambda state, said: changes.trust(state, said, wanted, owner, normalise=form.normalise)
        )

    @api.delete("/networks/{network:path}", tags=["networks"])
    async def withdraw_network(account: AccountName, network: str, asked: Asked, _: Admin) -> Changed:
        """Hosts in it must log in from now on."""
        wanted = normal_network(network, forced=True)
        return await commands.change(account, asked, lambda state, said: changes.distrust(state, said, wanted))

    @api.get("/hosts", tags=["hosts"])
    async def list_hosts(account: AccountName, _: AccountScope) -> Names:
        """The names that the account's clients connect to."""
        return Names(hosts=[*commands.existing(account).hosts])

    @api.put("/hosts", tags=["hosts"])
    async def name_hosts(account: AccountName, form: Names, asked: Asked, _: Admin) -> Changed:
        """All of them: those that are left out are gone."""
        wanted = reading.hosts(form.hosts)
        return await commands.change(account, asked, lambda state, said: changes.name_hosts(state, said, wanted))

    return api
