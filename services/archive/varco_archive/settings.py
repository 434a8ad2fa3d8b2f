"""archive's settings."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from varco_archive import normalization
from varco_common.base.settings import env_prefix
from varco_common.bus.settings import WithMailDays
from varco_common.runtime.settings import (
    TableServiceSettings,
    WithBalancers,
    WithBanAnswer,
    WithCertificates,
    WithHostname,
    WithPop3Ports,
)
from varco_common.storage.settings import WithObjectStore


class Settings(
    TableServiceSettings,
    WithBalancers,
    WithBanAnswer,
    WithCertificates,
    WithHostname,
    WithMailDays,
    WithObjectStore,
    WithPop3Ports,
):
    """`VARCO_ARCHIVE_*`, and the shared variables."""

    model_config = env_prefix("VARCO_ARCHIVE_")
    retired: ClassVar[frozenset[str]] = frozenset(
        f"VARCO_ARCHIVE_{name}"
        for name in (
            "SESSION",
            "LOGIN_IDLE",
            "GUARD_INTERVAL",
            "GUARD_WAITING",
            "HANDSHAKE_TIMEOUT",
            "IDLE",
            "MAX_CONNECTIONS",
            "MAX_CONNECTIONS_PER_HOST",
            "SWEEP",
            "ARGON2_MEMORY_KIB",
            "ACK_WAIT",
            "BATCH",
            "BATCH_BYTES",
        )
    )

    renamed: ClassVar[Mapping[str, str]] = {
        "certificates": "VARCO_ARCHIVE_CERTIFICATES",
        "hostname": "VARCO_ARCHIVE_HOSTNAME",
    }
    return_path: Annotated[str, AfterValidator(lambda text: text and normalization.address(text))] = Field(
        default="",
        description="Envelope sender of forwarded copies for accounts that name none: an address whose bounces an "
        "operator reads. Empty: the null sender <>, so that no bounce is sent.",
    )
