"""The only door to the object store: large bodies and stored files, one bucket for each use."""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, TypeVar

import urllib3
from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.error import MinioException, S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule

from varco_common.base.errors import PoisonError, StoreFull, TransientError
from varco_common.storage.settings import ObjectStoreSettings

Result = TypeVar("Result")

CHUNK_BYTES = 1024 * 1024
PART_BYTES = 8 * 1024 * 1024  # of a multipart upload; S3 wants 5 MiB at least
THREADS = 8
REGION = "us-east-1"  # named, so that signing needs no question to the store
BODIES = "varco-bodies"
LINKS = "varco-links"
_SIGNED_FOR = timedelta(minutes=30)
_UPLOAD_ID = re.compile(rb"<UploadId>([^<]+)</UploadId>")
_FULL = {"InsufficientStorage", "StorageFull", "XMinioStorageFull", "QuotaExceeded"}
_GONE = {"NoSuchKey", "NoSuchObject"}


class MissingObject(PoisonError):
    """There is no such object: it never was, or its time is over."""


class ObjectStore:
    """One bucket. Every method runs in a small pool of threads; TransientError while the store is away."""

    def __init__(self, settings: ObjectStoreSettings, bucket: str = BODIES) -> None:
        self._bucket = bucket
        self._sync = settings.sync_directory
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"blobs-{bucket}")
        secure = settings.endpoint.startswith("https://")
        self._pool = urllib3.PoolManager(
            maxsize=THREADS,
            timeout=urllib3.Timeout(connect=5.0, read=settings.timeout_seconds),
            retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
            blocksize=256 * 1024,
        )
        self._client = Minio(
            settings.endpoint.split("://", 1)[-1].rstrip("/"),
            access_key=_secret(settings.access_key_file),
            secret_key=_secret(settings.secret_key_file),
            secure=secure,
            region=REGION,
            http_client=self._pool,
        )

    async def close(self) -> None:
        """Lets running transfers end, and closes the connections."""
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)
        self._pool.clear()

    async def ensure(self, expire_days: int | None = None) -> None:
        """Makes the bucket where it isn't there, with a lifecycle rule for stores that carry it out (see `expire`)."""

        def make() -> None:
            if not self._client.bucket_exists(self._bucket):
                self._client.make_bucket(self._bucket)
            if expire_days is not None:
                rule = Rule(
                    ENABLED, rule_filter=Filter(prefix=""), rule_id="expire", expiration=Expiration(days=expire_days)
                )
                self._client.set_bucket_lifecycle(self._bucket, LifecycleConfig([rule]))

        await self._run(make)

    async def check(self) -> None:
        """Raises TransientError where the store doesn't answer or the bucket isn't there (for /readyz)."""
        if not await self._run(lambda: self._client.bucket_exists(self._bucket)):
            raise TransientError(f"there is no bucket {self._bucket}")

    async def put(self, key: str, body: bytes | BinaryIO, size: int | None = None) -> None:
        """Stores bytes, or `size` bytes of a file from where it stands, in one request; durable when it returns.

        A file is read in pieces, so memory doesn't grow with it; it must not be touched meanwhile. The request is
        signed without the body's hash: the record has it already.
        """
        length = len(body) if isinstance(body, bytes) else size
        if length is None:
            raise ValueError("a file's size must be given")

        def send() -> None:
            url = self._client.presigned_put_object(self._bucket, key, expires=_SIGNED_FOR)
            answer = self._pool.urlopen(
                "PUT",
                url,
                body=body,
                headers={"Content-Length": str(length), "Content-Type": "application/octet-stream"},
            )
            if answer.status == 507:
                raise StoreFull("the object store is full")
            if answer.status != 200:
                raise TransientError(f"the object store answered {answer.status}: {answer.data[:300]!r}")
            if self._sync:
                _fsync_files(self._sync)

        await self._run(send)

    def upload(self, key: str, part_bytes: int = PART_BYTES) -> "Upload":
        """An object of unknown size, written piece by piece."""
        return Upload(self, key, part_bytes)

    async def ask(
        self, method: str, key: str, query: dict[str, str], body: Sequence[bytes] = (), okay: tuple[int, ...] = (200,)
    ) -> urllib3.BaseHTTPResponse:
        """One signed request for what a multipart upload takes; the body's pieces go out one after the other."""

        def send() -> urllib3.BaseHTTPResponse:
            url = self._client.get_presigned_url(
                method, self._bucket, key, expires=_SIGNED_FOR, extra_query_params={**query}
            )
            length = str(sum(map(len, body)))
            answer = self._pool.urlopen(method, url, body=body or None, headers={"Content-Length": length})
            if answer.status == 507:
                raise StoreFull("the object store is full")
            if answer.status not in okay:
                raise TransientError(f"the object store answered {answer.status}: {answer.data[:300]!r}")
            if self._sync and method != "GET":
                _fsync_files(self._sync)
            return answer

        return await self._run(send)

    async def abort_uploads(self, older_than: timedelta) -> None:
        """Frees the parts of uploads that were begun before that, and never came to their end."""
        before = datetime.now(UTC) - older_than

        def abort() -> None:
            for found in self._client._list_multipart_uploads(self._bucket).uploads:  # noqa: SLF001 - no other way
                if found.upload_id and found.initiated_time and found.initiated_time < before:
                    key, number = found.object_name.removeprefix("/"), found.upload_id
                    self._client._abort_multipart_upload(self._bucket, key, number)  # noqa: SLF001

        await self._run(abort)

    async def keys(self, older_than: timedelta) -> list[str]:
        """The objects that are older than that."""
        before = datetime.now(UTC) - older_than
        return await self._run(
            lambda: [
                found.object_name
                for found in self._client.list_objects(self._bucket, recursive=True)
                if found.object_name and found.last_modified and found.last_modified < before
            ]
        )

    async def get(self, key: str) -> bytes:
        """The whole object. Raises MissingBlob."""

        def fetch() -> bytes:
            answer = self._client.get_object(self._bucket, key)
            try:
                return bytes(answer.read())
            finally:
                answer.release_conn()

        return await self._run(fetch)

    async def stream(
        self, key: str, chunk_bytes: int = CHUNK_BYTES, *, start: int = 0, length: int = 0
    ) -> AsyncIterator[bytes]:
        """The object in chunks of `chunk_bytes`, the last one shorter. Raises MissingBlob before the first.

        From byte `start`, `length` bytes; 0: to the end.
        """
        answer = await self._run(lambda: self._client.get_object(self._bucket, key, offset=start, length=length))
        whole = False
        try:
            while chunk := await self._run(lambda: answer.read(chunk_bytes)):
                yield chunk
            whole = True
        finally:
            if whole:
                answer.release_conn()
            else:
                answer.close()  # what is left unread would stand before the next answer

    async def exists(self, key: str) -> bool:
        """Whether the object is there."""
        try:
            await self._run(lambda: self._client.stat_object(self._bucket, key))
        except MissingObject:
            return False
        return True

    async def delete(self, key: str) -> None:
        """Deletes the object; nothing happens where there is none."""
        with contextlib.suppress(MissingObject):
            await self._run(lambda: self._client.remove_object(self._bucket, key))

    async def expire(self, older_than: timedelta) -> int:
        """Deletes objects older than that, and says how many: SeaweedFS alone carries out no lifecycle rules."""
        return await self._run(lambda: self._expire(datetime.now(UTC) - older_than))

    def _expire(self, before: datetime) -> int:
        count = 0
        for found in self._client.list_objects(self._bucket, recursive=True):
            if found.object_name and found.last_modified and found.last_modified < before:
                self._client.remove_object(self._bucket, found.object_name)
                count += 1
        return count

    async def _run(self, work: Callable[[], Result]) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except S3Error as error:
            raise _translated(error) from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise TransientError(f"the object store is away: {_reason(error)}") from None  # its text has a signed URL


class Upload:
    """One multipart upload, of which at most one part is in memory; a small object goes in one request.

    The object is there, whole and durable, once `finish` returns; without it, it never is. Raises TransientError.
    """

    def __init__(self, blobs: ObjectStore, key: str, part_bytes: int) -> None:
        self._blobs, self._key, self._part_bytes = blobs, key, part_bytes
        self._pieces: list[bytes] = []
        self._held = 0
        self._id = ""
        self._tags: list[str] = []

    async def write(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._held += len(piece)
        if self._held >= self._part_bytes:
            await self._send()

    async def finish(self) -> None:
        if not self._id:
            await self._blobs.put(self._key, b"".join(self._pieces))
            return
        if self._pieces:
            await self._send()
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>"
            for number, tag in enumerate(self._tags, 1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        answer = await self._blobs.ask("POST", self._key, {"uploadId": self._id}, [body])
        if b"<Error>" in answer.data:  # S3 may say 200 first, and fail then
            raise TransientError(f"the object store failed: {answer.data[:300]!r}")

    async def abort(self) -> None:
        """Frees what was written; best effort."""
        self._pieces.clear()
        if self._id:
            with contextlib.suppress(TransientError):
                await self._blobs.ask("DELETE", self._key, {"uploadId": self._id}, okay=(200, 204, 404))

    async def _send(self) -> None:
        if not self._id:
            answer = await self._blobs.ask("POST", self._key, {"uploads": ""})
            found = _UPLOAD_ID.search(answer.data)
            if not found:
                raise TransientError(f"the object store began no upload: {answer.data[:300]!r}")
            self._id = found[1].decode()
        pieces, self._pieces, self._held = self._pieces, [], 0
        query = {"partNumber": str(len(self._tags) + 1), "uploadId": self._id}
        answer = await self._blobs.ask("PUT", self._key, query, pieces)
        self._tags.append(answer.headers["ETag"])


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)  # of urllib3's MaxRetryError: what the last try met
    return f"{type(error).__name__} {type(reason).__name__}" if reason else type(error).__name__


def _translated(error: S3Error) -> Exception:
    if error.code in _GONE:
        return MissingObject(str(error.message))
    if error.code in _FULL:
        return StoreFull(str(error.message))
    return TransientError(f"the object store refused: {error.code} {error.message}")


def _fsync_files(directory: Path) -> None:
    """Brings to disk what SeaweedFS wrote: volumes, their indexes, the journals of its file table.

    A clean file costs microseconds.
    """
    for pattern in ("*.dat", "*.idx", "filerldb2/*/*.log"):
        for path in directory.glob(pattern):
            with contextlib.suppress(FileNotFoundError):  # compacted away meanwhile
                descriptor = os.open(path, os.O_RDWR)
                try:
                    os.fdatasync(descriptor)
                finally:
                    os.close(descriptor)


def _secret(path: Path | None) -> str | None:
    return path.read_text().strip() if path else None
