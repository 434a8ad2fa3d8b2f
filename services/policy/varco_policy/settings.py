"""Settings of policy."""

from typing import ClassVar

from pydantic import Field

from varco_common.base.settings import env_prefix
from varco_common.bus.settings import WithBus
from varco_common.runtime.settings import WithApi, WithDomainProof, WithTokenKey
from varco_common.storage.settings import WithDatabase


class Settings(WithBus, WithApi, WithDatabase, WithTokenKey, WithDomainProof):
    """`VARCO_POLICY_*`, and shared settings."""

    model_config = env_prefix("VARCO_POLICY_")
    retired: ClassVar[frozenset[str]] = frozenset({"VARCO_POLICY_HASHING_QUEUE", "VARCO_POLICY_USED_MINUTES"})

    hashing_threads: int = Field(
        2, ge=1, le=64, description="Passwords that are hashed at the same time (some 100 ms of CPU each)."
    )
    argon2_memory_kib: int = Field(
        65_536,
        ge=8_192,
        description="Memory of one argon2id hash, in KiB. After a change, each hash is made again at the next login.",
    )
