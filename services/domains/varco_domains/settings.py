"""domains' own settings."""

from typing import Annotated

from pydantic import AfterValidator, Field

from varco_common.base.settings import CommaList, env_prefix
from varco_common.dns import WithResolver
from varco_common.dns.resolver import server_address
from varco_common.runtime.settings import TableServiceSettings, WithDomainProof, WithHostname
from varco_domains.reputation.block_list import ADDRESS_LISTS, DOMAIN_LISTS
from varco_domains.reputation.daily_look import LookSettings
from varco_domains.reputation.look import BlockLists
from varco_domains.reputation.own_addresses import checked_addresses, own_addresses


class Settings(TableServiceSettings, WithResolver, WithDomainProof, WithHostname):
    """`VARCO_DOMAINS_*`, and what is shared."""

    addresses: Annotated[CommaList, AfterValidator(checked_addresses)] = Field(
        default=(),
        description="IP addresses that our mail leaves from, parted by commas, for the daily look at SPF, PTR and "
        "block lists. Empty: the machine's own public addresses; behind NAT it has none.",
    )
    address_lists: CommaList = Field(
        default=ADDRESS_LISTS,
        description="DNS block lists of addresses that the daily look asks. A list that does not answer our resolver "
        "counts as unknown. Empty: none.",
    )
    domain_lists: CommaList = Field(
        default=DOMAIN_LISTS, description="DNS block lists of domains that the daily look asks. Empty: none."
    )

    model_config = env_prefix("VARCO_DOMAINS_")

    def look(self) -> LookSettings:
        """What the daily look asks for."""
        return LookSettings(
            resolver=self.resolver(),
            addresses=self.addresses or own_addresses(),
            greeting=self.hostname,
            lists=BlockLists(self.address_lists, self.domain_lists),
            servers=[server_address(server) for server in self.resolver_servers],
        )
