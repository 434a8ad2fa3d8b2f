"""A mail as it is stored: the completed header, then the body as received, in wire form."""

import hashlib
import io
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from varco_common.mail.wire_form import DotCounter
from varco_ingress_smtp.spool import Spool

_CRLF = b"\r\n"


def stored_whole(header: bytes, received: bytes | mmap.mmap, header_end: int) -> bytes:
    """In one piece. A body without an empty line after its header gets one."""
    between = b"" if received[header_end : header_end + 2] == _CRLF else _CRLF
    with memoryview(received) as view, view[header_end:] as rest:  # copies a body of megabytes only once
        return b"".join((header, between, rest))


class StoredStream(io.RawIOBase):
    """The same as a stream of `size` bytes, for the object store. Hashes it, and counts dots."""

    def __init__(self, header: bytes, rest: IO[bytes], size: int) -> None:
        super().__init__()
        self._header = io.BytesIO(header)
        self._rest = rest
        self._begin = rest.tell()
        self._hash, self._dots = hashlib.sha256(), DotCounter()
        self.size = size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._header.tell() + self._rest.tell() - self._begin

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Only to the start: for a second attempt."""
        if offset or whence != io.SEEK_SET:
            raise io.UnsupportedOperation("seeks only to the start")
        self._header.seek(0)
        self._rest.seek(self._begin)
        self._hash, self._dots = hashlib.sha256(), DotCounter()
        return 0

    def read(self, size: int = -1) -> bytes:
        piece = self._header.read(size)
        if size < 0 or len(piece) < size:
            piece += self._rest.read(size - len(piece) if size >= 0 else -1)
        self._hash.update(piece)
        self._dots.feed(piece)
        return piece

    @property
    def dots(self) -> int:
        return self._dots.dots

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


@dataclass(frozen=True, slots=True)
class ReceivedBody:
    """A complete body. `header` is without the empty line; `empty_line`: there is one."""

    spool: Spool
    header: bytes
    empty_line: bool

    @contextmanager
    def stored(self, header: bytes) -> Iterator[StoredStream]:
        """With another header; only for a body that is in a file."""
        front = header if self.empty_line else header + _CRLF
        with self.spool.from_offset(len(self.header)) as rest:
            yield StoredStream(front, rest, len(front) + self.spool.size - len(self.header))
