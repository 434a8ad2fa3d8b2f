"""audit's own settings."""

from varco_common.settings import WithApi, WithBus, WithDatabase, own


class Settings(WithBus, WithApi, WithDatabase):
    """`VARCO_AUDIT_*`, and what is shared."""

    model_config = own("VARCO_AUDIT_")
