"""The object store: bodies of mails and linked files, in one bucket for each use."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

from minio.commonconfig import ENABLED, Filter
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule

from varco_common.base.errors import TransientError
from varco_common.storage.multipart_upload import PART_BYTES, Upload
from varco_common.storage.s3_connection import MissingObject, S3Connection
from varco_common.storage.settings import ObjectStoreSettings

CHUNK_BYTES = 1024 * 1024
BODIES = "varco-bodies"
LINKS = "varco-links"


class ObjectStore:
    """One bucket. All methods raise TransientError while the store is away."""

    def __init__(self, settings: ObjectStoreSettings, bucket: str = BODIES) -> None:
        self._bucket = bucket
        self._connection = S3Connection(settings, bucket)
        self._client, self._run = self._connection.client, self._connection.run

    async def close(self) -> None:
        """Waits for running transfers, and closes the connections."""
        await self._connection.close()

    async def ensure(self, expire_days: int | None = None) -> None:
        """Creates the bucket if it doesn't exist, with a lifecycle rule (see `expire`)."""

        def create() -> None:
            if not self._client.bucket_exists(self._bucket):
                self._client.make_bucket(self._bucket)
            if expire_days is not None:
                expiration = Expiration(days=expire_days)
                rule = Rule(ENABLED, rule_filter=Filter(prefix=""), rule_id="expire", expiration=expiration)
                self._client.set_bucket_lifecycle(self._bucket, LifecycleConfig([rule]))

        await self._run(create)

    async def check(self) -> None:
        """For /readyz. Raises TransientError if the store doesn't answer or has no such bucket."""
        if not await self._run(lambda: self._client.bucket_exists(self._bucket)):
            raise TransientError(f"there is no bucket {self._bucket}")

    async def put(self, key: str, body: bytes | BinaryIO, size: int | None = None) -> None:
        """Stores bytes, or `size` bytes of a file from its current position.

        Durable when it returns.

        The file must not be touched meanwhile.
        """
        length = len(body) if isinstance(body, bytes) else size
        if length is None:
            raise ValueError("a file's size must be given")
        await self._connection.request("PUT", key, body=body, length=length)

    def upload(self, key: str, part_bytes: int = PART_BYTES) -> Upload:
        """For an object of unknown size, which is written piece by piece."""
        return Upload(self._connection, key, part_bytes)

    async def abort_uploads(self, older_than: timedelta) -> None:
        """Frees the parts of unfinished uploads that began longer ago than that."""
        before = datetime.now(UTC) - older_than

        def abort() -> None:  # the client has no public methods for it
            for upload in self._client._list_multipart_uploads(self._bucket).uploads:  # noqa: SLF001
                if upload.upload_id and upload.initiated_time and upload.initiated_time < before:
                    key = upload.object_name.removeprefix("/")
                    self._client._abort_multipart_upload(self._bucket, key, upload.upload_id)  # noqa: SLF001

        await self._run(abort)

    async def keys(self, older_than: timedelta) -> list[str]:
        """The keys of all objects that are older than that."""
        return await self._run(lambda: self._keys_before(datetime.now(UTC) - older_than))

    async def expire(self, older_than: timedelta) -> int:
        """Deletes all objects that are older than that, and returns how many they were.

        For SeaweedFS, which applies no lifecycle rules.
        """

        def expire() -> int:
            keys = self._keys_before(datetime.now(UTC) - older_than)
            for key in keys:
                self._client.remove_object(self._bucket, key)
            return len(keys)

        return await self._run(expire)

    async def get(self, key: str) -> bytes:
        """The whole object. Raises MissingObject."""

        def read() -> bytes:
            response = self._client.get_object(self._bucket, key)
            try:
                return bytes(response.read())
            finally:
                response.release_conn()

        return await self._run(read)

    async def stream(
        self, key: str, chunk_bytes: int = CHUNK_BYTES, *, start: int = 0, length: int = 0
    ) -> AsyncIterator[bytes]:
        """The object in chunks of `chunk_bytes`, the last one shorter.

        From byte `start`, `length` bytes; 0: to the end. Raises MissingObject before the first
        chunk.
        """
        response = await self._run(lambda: self._client.get_object(self._bucket, key, offset=start, length=length))
        complete = False
        try:
            while chunk := await self._run(lambda: response.read(chunk_bytes)):
                yield chunk
            complete = True
        finally:
            if complete:
                response.release_conn()
            else:
                response.close()  # unread bytes would come before the connection's next response

    async def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        try:
            await self._run(lambda: self._client.stat_object(self._bucket, key))
        except MissingObject:
            return False
        return True

    async def delete(self, key: str) -> None:
        """Deletes the object if it exists."""
        with contextlib.suppress(MissingObject):
            await self._run(lambda: self._client.remove_object(self._bucket, key))

    def _keys_before(self, before: datetime) -> list[str]:
        return [
            item.object_name
            for item in self._client.list_objects(self._bucket, recursive=True)
            if item.object_name and item.last_modified and item.last_modified < before
        ]
