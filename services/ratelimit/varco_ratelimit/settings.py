"""ratelimit's own settings."""

from pathlib import Path
from typing import ClassVar

from varco_common.base.settings import env_prefix
from varco_common.runtime.settings import TableServiceSettings, WithVoteTimeout


class Settings(TableServiceSettings, WithVoteTimeout):
    """ratelimit has no settings of its own: quotas are set for each account, over HTTP."""

    model_config = env_prefix("VARCO_RATELIMIT_")
    retired: ClassVar[frozenset[str]] = frozenset(
        {"VARCO_RATELIMIT_LAPSE", "VARCO_RATELIMIT_LEASE", "VARCO_RATELIMIT_SETTLE"}
    )

    @property
    def reservation_directory(self) -> Path:
        """Where each process on this machine logs its reservations."""
        return self.home / "ratelimit"
