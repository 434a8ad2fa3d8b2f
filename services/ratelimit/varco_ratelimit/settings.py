"""ratelimit's own settings."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from varco_common.base.settings import Duration, env_prefix
from varco_common.bus.settings import WithBus
from varco_common.runtime.settings import WithApi
from varco_common.storage.settings import WithDatabase


class Settings(WithBus, WithApi, WithDatabase):
    """`VARCO_RATELIMIT_*`, and what is shared."""

    model_config = env_prefix("VARCO_RATELIMIT_")

    lapse: Duration = Field(
        default=timedelta(minutes=2),
        description="How long a mail that was let pass counts without having been stored or refused. Longer than ingress "
        "takes to store the largest mail.",
    )
    lease: Duration = Field(
        default=timedelta(seconds=5),
        description="How long a process votes after its last sign of life; two seconds later another takes over its part.",
    )
    settle: Duration = Field(
        default=timedelta(seconds=5),
        description="How long whoever takes over from a process that died on another machine waits for the mails that it "
        "had let pass. At least VARCO_INGRESS_VOTE_TIMEOUT.",
    )

    @property
    def journal(self) -> Path:
        """Where each process on this machine keeps its reservations."""
        return self.home / "ratelimit"
