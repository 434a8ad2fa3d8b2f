"""Settings of policy."""

from typing import ClassVar

from varco_common.base.settings import env_prefix
from varco_common.runtime.settings import TableServiceSettings, WithDomainProof, WithTokenKey


class Settings(TableServiceSettings, WithTokenKey, WithDomainProof):
    """`VARCO_POLICY_*`, and shared settings."""

    model_config = env_prefix("VARCO_POLICY_")
    retired: ClassVar[frozenset[str]] = frozenset(
        f"VARCO_POLICY_{name}" for name in ("ARGON2_MEMORY_KIB", "HASHING_QUEUE", "HASHING_THREADS", "USED_MINUTES")
    )
