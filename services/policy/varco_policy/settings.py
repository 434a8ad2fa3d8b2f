"""Settings of policy."""

from typing import ClassVar

from varco_common.base.settings import env_prefix
from varco_common.bus.settings import WithBus
from varco_common.runtime.settings import WithApi, WithDomainProof, WithTokenKey
from varco_common.storage.settings import WithDatabase


class Settings(WithBus, WithApi, WithDatabase, WithTokenKey, WithDomainProof):
    """`VARCO_POLICY_*`, and shared settings."""

    model_config = env_prefix("VARCO_POLICY_")
    retired: ClassVar[frozenset[str]] = frozenset(
        f"VARCO_POLICY_{name}" for name in ("ARGON2_MEMORY_KIB", "HASHING_QUEUE", "HASHING_THREADS", "USED_MINUTES")
    )
