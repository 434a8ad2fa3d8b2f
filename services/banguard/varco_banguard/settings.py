"""Settings of banguard. The rules of bans are not among them: see `varco bans rules`."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from varco_common.base.settings import env_prefix
from varco_common.runtime.settings import TableServiceSettings, WithBalancers


class Settings(TableServiceSettings, WithBalancers):
    """`VARCO_BANGUARD_*`, and shared settings."""

    model_config = env_prefix("VARCO_BANGUARD_")

    retired: ClassVar[frozenset[str]] = frozenset({"VARCO_BANGUARD_LOG"})

    log_file: Path | None = Field(
        default=None,
        description="The ban log in fail2ban's format; any logrotate may move it. `off`: none. Empty: `logs/fail2ban.log` in"
        " VARCO_HOME.",
    )

    @property
    def log_path(self) -> Path | None:
        """None for no file."""
        if self.log_file == Path("off"):
            return None
        return self.log_file or self.home / "logs" / "fail2ban.log"
