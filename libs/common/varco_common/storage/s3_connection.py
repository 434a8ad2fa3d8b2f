"""The connection to an S3 server: requests in a small pool of threads, errors in our own words."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, TypeVar

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from varco_common.base.errors import StoreFull, TransientError
from varco_common.base.settings import read_secret
from varco_common.storage.object_store import MissingObject
from varco_common.storage.s3_region import region_expected
from varco_common.storage.settings import ObjectStoreSettings

R = TypeVar("R")

THREADS = 8
_REGION = "us-east-1"  # most servers take any, or this one; the others name theirs
_SIGNED_FOR = timedelta(minutes=30)
_FULL = {"InsufficientStorage", "StorageFull", "XMinioStorageFull", "QuotaExceeded"}
_GONE = {"NoSuchKey", "NoSuchObject"}


class S3Connection:
    """One bucket of an S3 server. `client` is for work inside `run`."""

    def __init__(self, settings: ObjectStoreSettings, bucket: str) -> None:
        self._bucket = bucket
        self._sync_directory = settings.sync_directory
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"s3-{bucket}")
        self._settings = settings
        self._pool = urllib3.PoolManager(
            maxsize=THREADS,
            timeout=urllib3.Timeout(connect=5.0, read=settings.timeout_seconds),
            retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
            blocksize=256 * 1024,
        )
        self.client = self._signing_for(_REGION)
        self._region_known = False

    def _signing_for(self, region: str) -> Minio:
        settings = self._settings
        return Minio(
            settings.endpoint.split("://", 1)[-1].rstrip("/"),
            access_key=read_secret(settings.access_key_file) or None,
            secret_key=read_secret(settings.secret_key_file) or None,
            secure=settings.endpoint.startswith("https://"),
            region=region,
            http_client=self._pool,
        )

    async def close(self) -> None:
        """Waits for running transfers, and closes the connections."""
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)
        self._pool.clear()

    async def run(self, work: Callable[[], R]) -> R:
        """Runs it in a thread. Raises TransientError, StoreFull or MissingObject."""

        def signed() -> R:
            if not self._region_known:
                if region := region_expected(self.client, self._bucket):
                    self.client = self._signing_for(region)
                self._region_known = True
            return work()

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, signed)
        except S3Error as error:
            raise _translated(error) from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            # Without the error's own text, which has a signed URL.
            raise TransientError(f"the object store is away: {_reason(error)}") from None

    async def request(
        self,
        method: str,
        key: str,
        query: dict[str, str] | None = None,
        *,
        body: bytes | BinaryIO | Sequence[bytes] = b"",
        length: int,
        expected: tuple[int, ...] = (200,),
    ) -> urllib3.BaseHTTPResponse:
        """One signed request with a body of `length` bytes.

        What it wrote is durable when this returns.

        The signature doesn't cover the body's hash, since the record of a mail has it already. A
        file is read in pieces, so memory doesn't grow with its size.
        """

        def send() -> urllib3.BaseHTTPResponse:
            url = self.client.get_presigned_url(
                method, self._bucket, key, expires=_SIGNED_FOR, extra_query_params={**(query or {})}
            )
            headers = {"Content-Length": str(length), "Content-Type": "application/octet-stream"}
            response = self._pool.urlopen(method, url, body=body or None, headers=headers)
            if response.status == 507:
                raise StoreFull("the object store is full")
            if response.status not in expected:
                raise TransientError(f"the object store answered {response.status}: {response.data[:300]!r}")
            if self._sync_directory:
                _fsync_files(self._sync_directory)
            return response

        return await self.run(send)


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)  # of urllib3's MaxRetryError: the error of the last attempt
    return f"{type(error).__name__} {type(reason).__name__}" if reason else type(error).__name__


def _translated(error: S3Error) -> Exception:
    if error.code in _GONE:
        return MissingObject(str(error.message))
    if error.code in _FULL:
        return StoreFull(str(error.message))
    return TransientError(f"the object store refused: {error.code} {error.message}")


def _fsync_files(directory: Path) -> None:
    """Brings to disk what SeaweedFS wrote: volumes, their indexes, the journals of its file table.

    A file without changes costs microseconds.
    """
    for pattern in ("*.dat", "*.idx", "filerldb2/*/*.log"):
        for path in directory.glob(pattern):
            with contextlib.suppress(FileNotFoundError):  # compacted away meanwhile
                descriptor = os.open(path, os.O_RDWR)
                try:
                    os.fdatasync(descriptor)
                finally:
                    os.close(descriptor)
