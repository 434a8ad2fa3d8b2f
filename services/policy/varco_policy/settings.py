"""policy's own settings."""

from pydantic import Field

from varco_common.base.settings import env_prefix
from varco_common.bus.settings import WithBus
from varco_common.runtime.settings import WithApi
from varco_common.storage.settings import WithDatabase


class Settings(WithBus, WithApi, WithDatabase):
    """`VARCO_POLICY_*`, and what is shared."""

    model_config = env_prefix("VARCO_POLICY_")

    hashing_threads: int = Field(
        2, ge=1, le=64, description="Passwords that are hashed at once (some 100 ms of CPU each)."
    )
    hashing_queue: int = Field(
        24, ge=1, description="Passwords taken on in all; with more, logins hear 4xx instead of waiting out their time."
    )
    argon2_memory_kib: int = Field(
        65_536,
        ge=8_192,
        description="Memory of one argon2id hash, in KiB; a changed figure is taken up at each next login.",
    )
    used_minutes: int = Field(
        60, ge=1, description="A credential's use is noted at most once in so many minutes for each host."
    )
