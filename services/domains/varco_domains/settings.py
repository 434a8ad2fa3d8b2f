"""domains' own settings."""

from varco_common.base.settings import env_prefix
from varco_common.dns import WithResolver
from varco_common.runtime.settings import TableServiceSettings, WithDomainProof


class Settings(TableServiceSettings, WithResolver, WithDomainProof):
    """`VARCO_DOMAINS_*`, and what is shared."""

    model_config = env_prefix("VARCO_DOMAINS_")
