"""The object store in a directory: a file for each object, read through the page cache.

A power cut leaves each object whole or not there (see durable_file). Several processes of one
machine may use the directory at once.
"""

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import FileIO
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import quote, unquote

from varco_common.base.durable_file import durable_writer, make_directory, sync_directory
from varco_common.base.errors import StoreFull, TransientError
from varco_common.base.tasks import uncancellable
from varco_common.storage.disk_reserve import check_room
from varco_common.storage.file_upload import FileUpload, pieces_of
from varco_common.storage.object_store import MissingObject
from varco_common.storage.page_cache import cached_bytes

R = TypeVar("R")

THREADS = 8  # most of their time is spent waiting for the disk
STREAM_BYTES = 64 * 1024  # a reading costs little, and larger pieces cost page faults
_FULL = (errno.ENOSPC, errno.EDQUOT)


class DirectoryStore:
    """One bucket, which is a directory in `directory`. See ObjectStore for what the methods do."""

    inline_bytes = 256 * 1024  # from here on a file costs no more CPU, and saves the bus memory (ADR 29)

    def __init__(self, directory: Path, bucket: str) -> None:
        self._bucket = directory / bucket
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=bucket)

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)

    async def ensure(self) -> None:
        await self._run(lambda: make_directory(self._bucket))

    async def check(self) -> None:
        if not await self._run(self._bucket.is_dir):
            raise TransientError(f"there is no directory {self._bucket}")

    async def put(self, key: str, body: bytes | BinaryIO, size: int | None = None) -> None:
        length = len(body) if isinstance(body, bytes) else size
        if length is None:
            raise ValueError("a file's size must be given")

        def write() -> None:
            check_room(self._bucket, length)
            with durable_writer(self._path(key)) as file:
                file.writelines([body] if isinstance(body, bytes) else pieces_of(body, length))

        await self._run(write)

    def upload(self, key: str) -> FileUpload:
        return FileUpload(self._path(key), self._run)

    async def abort_uploads(self, older_than: timedelta) -> None:
        await self._run(lambda: self._delete_before(older_than, unfinished=True))

    async def keys(self, older_than: timedelta) -> list[str]:
        return await self._run(lambda: [unquote(name) for name in self._names_before(older_than)])

    async def expire(self, older_than: timedelta) -> int:
        return await self._run(lambda: self._delete_before(older_than))

    async def get(self, key: str) -> bytes:
        def read() -> bytes:
            with self._open(key) as file:
                return file.read()

        return await self._run(read)

    async def stream(
        self, key: str, chunk_bytes: int = STREAM_BYTES, *, start: int = 0, length: int = 0
    ) -> AsyncIterator[bytes]:
        def begin() -> tuple[FileIO, int, bytes]:
            file = self._open(key)
            stop = start + length if length else os.fstat(file.fileno()).st_size
            return file, stop, os.pread(file.fileno(), max(min(chunk_bytes, stop - start), 0), start)

        file, stop, chunk = await self._run(begin)  # one change of threads for all of it
        try:
            at = start
            while chunk:
                yield chunk
                at += len(chunk)
                chunk = await self._read(file.fileno(), min(chunk_bytes, stop - at), at) if at < stop else b""
        finally:
            file.close()

    async def _read(self, file: int, size: int, at: int) -> bytes:
        """Reads at once what is in memory, as a new body is. For the disk it waits in a thread."""
        piece = cached_bytes(file, size, at)
        left = size - len(piece)
        return piece + await self._run(lambda: os.pread(file, left, at + len(piece))) if left else piece

    async def exists(self, key: str) -> bool:
        return await self._run(self._path(key).is_file)

    async def delete(self, key: str) -> None:
        def unlink() -> None:
            self._path(key).unlink(missing_ok=True)
            sync_directory(self._bucket)

        await self._run(unlink)

    def _path(self, key: str) -> Path:
        """The object's file. Its name has no slash and no dot at its start, whatever the key is."""
        name = quote(key, safe="")
        return self._bucket / (f"%2E{name[1:]}" if name.startswith(".") else name)

    def _open(self, key: str) -> FileIO:
        try:
            return self._path(key).open("rb", buffering=0)
        except FileNotFoundError:
            if not self._bucket.is_dir():
                raise
            raise MissingObject(f"there is no object {key}") from None

    def _names_before(self, older_than: timedelta, *, unfinished: bool = False) -> list[str]:
        before = time.time() - older_than.total_seconds()
        with os.scandir(self._bucket) as entries:
            return [
                entry.name
                for entry in entries
                if entry.name.startswith(".") is unfinished and entry.stat().st_mtime < before
            ]

    def _delete_before(self, older_than: timedelta, *, unfinished: bool = False) -> int:
        names = self._names_before(older_than, unfinished=unfinished)
        for name in names:
            (self._bucket / name).unlink(missing_ok=True)
        if names:
            sync_directory(self._bucket)
        return len(names)

    async def _run(self, work: Callable[[], R]) -> R:
        """Runs it in a thread, to its end, because files are closed after it.

        Raises TransientError, StoreFull or MissingObject.
        """
        return await uncancellable(self._translated(work))

    async def _translated(self, work: Callable[[], R]) -> R:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except OSError as error:
            if error.errno in _FULL:
                raise StoreFull(f"the disk of {self._bucket} is full: {error.strerror}") from error
            raise TransientError(f"the object store fails: {error}") from error
