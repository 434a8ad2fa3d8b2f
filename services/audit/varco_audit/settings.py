"""The settings of audit."""

from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from varco_common.base.settings import CommaList, Duration, Internal, env_prefix
from varco_common.runtime.settings import TableServiceSettings, WithVoters
from varco_common.storage.settings import WithObjectStore


class Settings(TableServiceSettings, WithObjectStore, WithVoters):
    """`VARCO_AUDIT_*`, and what services share."""

    model_config = env_prefix("VARCO_AUDIT_")

    retired: ClassVar[frozenset[str]] = frozenset(
        f"VARCO_AUDIT_{name}"
        for name in (
            "RECORD_BATCH",
            "INDEX_BATCH",
            "BATCH_BYTES",
            "LINGER",
            "BALANCE_EVERY",
            "BALANCE_LINGER",
            "BALANCE_GRACE",
            "CHECKPOINT_EVERY",
            "SWEEP",
            "VERIFY_EVERY",
        )
    )

    signing_key_file: Path | None = Field(
        default=None,
        description="File of mode 0600 with the key that signs checkpoints; made at the first start. "
        "Empty: `secrets/audit-signing.key` in VARCO_HOME.",
    )
    keepers: Internal[CommaList] = Field(
        default=(),
        description="All services that read MAIL, parted by commas: each is asked what it needs before a record is erased "
        "(`varco up` names those that are installed). Empty: nothing is erased before VARCO_NATS_MAIL_DAYS are over.",
    )
    erase_after: Duration = Field(
        default=timedelta(minutes=10),
        description="How long a record stays in MAIL although no service needs it. At least two minutes: for that long the bus "
        "recognises by its records a mail that comes a second time.",
    )

    @property
    def signing_key_path(self) -> Path:
        return self.signing_key_file or self.home / "secrets" / "audit-signing.key"

    @property
    def transparency_directory(self) -> Path:
        """Leaf hashes, and `checkpoints/` for copying to another place."""
        return self.home / "audit"
