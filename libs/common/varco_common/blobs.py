"""The only door to the object store: large bodies and stored files, one bucket for each use."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, TypeVar

import urllib3
from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.error import MinioException, S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule

from varco_common.errors import PoisonError, StoreFull, TransientError

Result = TypeVar("Result")

CHUNK_BYTES = 1024 * 1024
THREADS = 8
REGION = "us-east-1"  # named, so that signing needs no question to the store
BODIES = "varco-bodies"
_SIGNED_FOR = timedelta(minutes=30)
_FULL = {"InsufficientStorage", "StorageFull", "XMinioStorageFull", "QuotaExceeded"}
_GONE = {"NoSuchKey", "NoSuchObject"}


class MissingBlob(PoisonError):
    """There is no such object: it never was, or its time is over."""


@dataclass(frozen=True, kw_only=True)
class BlobSettings:
    """Where the object store is (`http://host:port`), and the files that hold its keys.

    `sync_directory` is the store's own directory where it runs on this machine: SeaweedFS answers a PUT before it is
    fsynced, so the files that it wrote are fsynced from here. Empty where the store sees to that itself.
    """

    endpoint: str = "http://127.0.0.1:8333"
    access_key_file: Path | None = None
    secret_key_file: Path | None = None
    sync_directory: Path | None = None
    timeout_seconds: float = 30.0


class Blobs:
    """One bucket. Every method runs in a small pool of threads; TransientError while the store is away."""

    def __init__(self, settings: BlobSettings, bucket: str = BODIES) -> None:
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

    async def get(self, key: str) -> bytes:
        """The whole object. Raises MissingBlob."""

        def fetch() -> bytes:
            answer = self._client.get_object(self._bucket, key)
            try:
                return bytes(answer.read())
            finally:
                answer.release_conn()

        return await self._run(fetch)

    async def stream(self, key: str, chunk_bytes: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
        """The object in chunks of `chunk_bytes`, the last one shorter. Raises MissingBlob before the first."""
        answer = await self._run(lambda: self._client.get_object(self._bucket, key))
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
        except MissingBlob:
            return False
        return True

    async def delete(self, key: str) -> None:
        """Deletes the object; nothing happens where there is none."""
        with contextlib.suppress(MissingBlob):
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


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)  # of urllib3's MaxRetryError: what the last try met
    return f"{type(error).__name__} {type(reason).__name__}" if reason else type(error).__name__


def _translated(error: S3Error) -> Exception:
    if error.code in _GONE:
        return MissingBlob(str(error.message))
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
