"""Where the object store is. Apart from `blobs`, so that who only reads settings needn't load its client."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class ObjectStoreSettings:
    """Where the object store is (`http://host:port`), and the files that hold its keys.

    `sync_directory` is the store's own directory where it runs on this machine: SeaweedFS answers a PUT before it is
    fsynced, so the files that it wrote are fsynced from here. Empty where the store sees to that itself.
    """

    endpoint: str = "http://127.0.0.1:8333"
    access_key_file: Path | None = None
    secret_key_file: Path | None = None
    sync_directory: Path | None = None
    timeout_seconds: float = 30.0
