"""The object store: bodies of mails and linked files, in one bucket for each use."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import BinaryIO, Protocol

from varco_common.base.errors import PoisonError
from varco_common.storage.settings import ObjectStoreSettings

CHUNK_BYTES = 1024 * 1024
BODIES = "varco-bodies"
LINKS = "varco-links"


class MissingObject(PoisonError):
    """There is no such object: it never existed, or it has expired."""


class Upload(Protocol):
    """An object of unknown size, which is written piece by piece.

    The object exists, complete and durable, once `finish` returns; without that, it never does. All
    methods raise TransientError, or StoreFull.
    """

    async def write(self, piece: bytes) -> None: ...
    async def finish(self) -> None: ...

    async def abort(self) -> None:
        """Frees what was written, if the store can be reached."""


class ObjectStore(Protocol):
    """One bucket. All methods raise TransientError while the store is away.

    `inline_bytes`: up to this size, a body costs less inside its record than in this store.
    """

    inline_bytes: int

    async def close(self) -> None:
        """Waits for running transfers, and closes the connections."""

    async def ensure(self) -> None:
        """Creates the bucket if it doesn't exist."""

    async def check(self) -> None:
        """For /readyz. Raises TransientError if the store doesn't answer or has no such bucket."""

    async def put(self, key: str, body: bytes | BinaryIO, size: int | None = None) -> None:
        """Stores bytes, or `size` bytes of a file from its current position.

        Durable when it returns. Raises StoreFull. The file must not be touched meanwhile.
        """

    def upload(self, key: str) -> Upload:
        """For an object of unknown size."""

    async def abort_uploads(self, older_than: timedelta) -> None:
        """Frees what is left of unfinished uploads that began longer ago than that."""

    async def keys(self, older_than: timedelta) -> list[str]:
        """The keys of all objects that are older than that."""

    async def expire(self, older_than: timedelta) -> int:
        """Deletes all objects that are older than that, and returns how many they were."""

    async def get(self, key: str) -> bytes:
        """The whole object. Raises MissingObject."""

    def stream(
        self, key: str, chunk_bytes: int = CHUNK_BYTES, *, start: int = 0, length: int = 0
    ) -> AsyncIterator[bytes]:
        """The object in chunks of `chunk_bytes`, the last one shorter.

        From byte `start`, `length` bytes; 0: to the end. Raises MissingObject before the first
        chunk.
        """

    async def exists(self, key: str) -> bool:
        """Whether there is such an object."""

    async def delete(self, key: str) -> None:
        """Deletes the object if it exists. It stays deleted after a power cut."""


def open_store(settings: ObjectStoreSettings, bucket: str = BODIES) -> ObjectStore:
    """The bucket on the S3 server of the settings, or in their directory if they name no server."""
    if settings.endpoint:
        from varco_common.storage.s3_store import S3Store  # noqa: PLC0415 - its client takes memory

        return S3Store(settings, bucket)
    from varco_common.storage.directory_store import DirectoryStore  # noqa: PLC0415 - as above

    return DirectoryStore(settings.directory, bucket)
