"""filelink's settings."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from varco_common.base.settings import Duration, env_prefix
from varco_common.runtime.settings import TableServiceSettings, WithLinksPort, WithProxies
from varco_common.storage.settings import WithObjectStore
from varco_filelink import normalization


class Settings(TableServiceSettings, WithLinksPort, WithObjectStore, WithProxies):
    """`VARCO_FILELINK_*`, and the shared variables."""

    model_config = env_prefix("VARCO_FILELINK_")
    renamed: ClassVar[Mapping[str, str]] = {"proxies": "VARCO_FILELINK_PROXIES"}
    retired: ClassVar[frozenset[str]] = frozenset(
        f"VARCO_FILELINK_{name}"
        for name in ("CONVERSIONS", "DOWNLOADS", "INLINE", "TRIES", "SWEEP", "ORPHAN_AGE", "EXPIRE", "ACK_WAIT")
    )

    base_url: Annotated[str, AfterValidator(normalization.base_url)] = Field(
        default="",
        description="What links begin with, for accounts without a base URL of their own. Empty: VARCO_BIND and "
        "VARCO_LINKS_PORT, which works on this host only.",
    )

    key_file: Path | None = Field(
        default=None,
        description="The key of which the addresses of links are made. The first start makes it. Unset: "
        "`secrets/filelink.key` in VARCO_HOME.",
    )

    max_keep: Duration = Field(
        default=timedelta(days=1825),
        gt=timedelta(0),
        description="How long an account's own token may have files kept; an admin's may exceed it.",
    )

    @property
    def address_key_file(self) -> Path:
        return self.key_file or self.home / "secrets" / "filelink.key"

    @property
    def default_base_url(self) -> str:
        host = f"[{self.bind}]" if ":" in self.bind else self.bind
        return self.base_url or f"http://{host}:{self.links_port}"
