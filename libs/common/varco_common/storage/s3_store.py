"""The object store on an S3 server."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

from minio import Minio

from varco_common.base.errors import TransientError
from varco_common.storage.multipart_upload import MultipartUpload
from varco_common.storage.object_store import CHUNK_BYTES, MissingObject
from varco_common.storage.s3_connection import S3Connection
from varco_common.storage.settings import ObjectStoreSettings


class S3Store:
    """One bucket. See ObjectStore for what the methods do."""

    inline_bytes = 2 * 1024 * 1024  # a PUT and a GET cost more at every size that a record can hold (ADR 6)

    def __init__(self, settings: ObjectStoreSettings, bucket: str) -> None:
        self._bucket = bucket
        self._connection = S3Connection(settings, bucket)
        self._run = self._connection.run

    @property
    def _client(self) -> Minio:
        return self._connection.client  # another one as soon as the server has named its region

    async def close(self) -> None:
        await self._connection.close()

    async def ensure(self) -> None:
        def create() -> None:
            if not self._client.bucket_exists(self._bucket):
                self._client.make_bucket(self._bucket)

        await self._run(create)

    async def check(self) -> None:
        if not await self._run(lambda: self._client.bucket_exists(self._bucket)):
            raise TransientError(f"there is no bucket {self._bucket}")

    async def put(self, key: str, body: bytes | BinaryIO, size: int | None = None) -> None:
        length = len(body) if isinstance(body, bytes) else size
        if length is None:
            raise ValueError("a file's size must be given")
        await self._connection.request("PUT", key, body=body, length=length)

    def upload(self, key: str) -> MultipartUpload:
        return MultipartUpload(self._connection, key)

    async def abort_uploads(self, older_than: timedelta) -> None:
        before = datetime.now(UTC) - older_than

        def abort() -> None:  # the client has no public methods for it
            for upload in self._client._list_multipart_uploads(self._bucket).uploads:  # noqa: SLF001
                if upload.upload_id and upload.initiated_time and upload.initiated_time < before:
                    key = upload.object_name.removeprefix("/")
                    self._client._abort_multipart_upload(self._bucket, key, upload.upload_id)  # noqa: SLF001

        await self._run(abort)

    async def keys(self, older_than: timedelta) -> list[str]:
        return await self._run(lambda: self._keys_before(datetime.now(UTC) - older_than))

    async def expire(self, older_than: timedelta) -> int:
        def expire() -> int:
            keys = self._keys_before(datetime.now(UTC) - older_than)
            for key in keys:
                self._client.remove_object(self._bucket, key)
            return len(keys)

        return await self._run(expire)

    async def get(self, key: str) -> bytes:
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
        try:
            await self._run(lambda: self._client.stat_object(self._bucket, key))
        except MissingObject:
            return False
        return True

    async def delete(self, key: str) -> None:
        with contextlib.suppress(MissingObject):
            await self._run(lambda: self._client.remove_object(self._bucket, key))

    def _keys_before(self, before: datetime) -> list[str]:
        return [
            item.object_name
            for item in self._client.list_objects(self._bucket, recursive=True)
            if item.object_name and item.last_modified and item.last_modified < before
        ]
