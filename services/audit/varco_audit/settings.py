"""audit's own settings."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from varco_common.base.settings import CommaList, Duration, Size, env_prefix
from varco_common.runtime.settings import ServiceSettings, WithVoters
from varco_common.storage.settings import WithDatabase, WithObjectStore


class Settings(ServiceSettings, WithDatabase, WithObjectStore, WithVoters):
    """`VARCO_AUDIT_*`, and what is shared."""

    model_config = env_prefix("VARCO_AUDIT_")

    record_batch: int = Field(
        default=250, ge=1, le=1_000, description="Records of mails that are written down in EVENTS at once, at most."
    )
    index_batch: int = Field(
        default=1_000, ge=1, le=10_000, description="Events that are indexed in one transaction, at most."
    )
    batch_bytes: Size = Field(default=4 * 1024 * 1024, description="Bytes of records, or of events, in hand at once.")
    linger: Duration = Field(
        default=timedelta(milliseconds=50),
        description="The shortest time between two such batches: the longer, the less a mail costs, and the later it is seen.",
    )

    balance_every: Duration = Field(
        default=timedelta(seconds=30), gt=timedelta(0), description="How often it is looked for mail that nobody has."
    )
    balance_linger: Duration = Field(
        default=timedelta(seconds=1),
        description="The shortest time between two batches of events that are counted in the balance (8 ms of CPU each).",
    )
    balance_grace: Duration = Field(
        default=timedelta(seconds=30), description="How old a mail must be before anybody is asked for it."
    )

    signing_key_file: Path | None = Field(
        default=None,
        description="File of mode 0600 with the key that signs checkpoints; made where it isn't there. "
        "Empty: `secrets/audit-signing.key` in VARCO_HOME.",
    )
    checkpoint_every: Duration = Field(
        default=timedelta(minutes=1),
        gt=timedelta(0),
        description="How often a checkpoint over all events is signed, where there was traffic.",
    )
    verify_every: Duration = Field(
        default=timedelta(days=1),
        gt=timedelta(0),
        description="How often all events are read again and held against the last checkpoint (some 10 s of CPU for a million).",
    )

    keepers: CommaList = Field(
        default=(),
        description="The services that are asked before anything is erased from MAIL, parted by commas: all that read from it "
        "(`varco up` names those that are installed). Empty: nothing is erased before VARCO_NATS_MAIL_DAYS are over.",
    )
    erase_after: Duration = Field(
        default=timedelta(minutes=10),
        description="What is younger stays in MAIL even where nobody needs it. Not less than two minutes: so long the bus tells "
        "by its records that a mail comes a second time.",
    )
    sweep: Duration = Field(
        default=timedelta(seconds=10), description="How often it is looked for what nobody needs any more, at most."
    )

    @property
    def signing_key_path(self) -> Path:
        return self.signing_key_file or self.home / "secrets" / "audit-signing.key"

    @property
    def proof_directory(self) -> Path:
        """Leaf hashes, and `checkpoints/` that are to be sent elsewhere."""
        return self.home / "audit"
