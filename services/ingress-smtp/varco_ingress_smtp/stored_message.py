"""A body as it is stored: the mended header, then what was received behind it, in wire form."""

import hashlib
import io
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from varco_ingress_smtp.spool import Spool

_CRLF = b"\r\n"


def stored_inline(header: bytes, received: bytes | mmap.mmap, header_end: int) -> bytes:
    """In one piece. Where the received body has no empty line behind its header, it gets one."""
    between = b"" if received[header_end : header_end + 2] == _CRLF else _CRLF
    with memoryview(received) as whole, whole[header_end:] as rest:  # a view: a body of megabytes is copied once
        return b"".join((header, between, rest))


class StoredStream(io.RawIOBase):
    """The same as a stream of `size` bytes, for the object store; hashes what is read. It can be read again from the start."""

    def __init__(self, header: bytes, rest: IO[bytes], size: int) -> None:
        super().__init__()
        self._header = io.BytesIO(header)
        self._rest = rest
        self._begin = rest.tell()
        self._hash = hashlib.sha256()
        self.size = size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._header.tell() + self._rest.tell() - self._begin

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """To the start alone: for a second try."""
        if offset or whence != io.SEEK_SET:
            raise io.UnsupportedOperation("only to the start")
        self._header.seek(0)
        self._rest.seek(self._begin)
        self._hash = hashlib.sha256()
        return 0

    def read(self, size: int = -1) -> bytes:
        piece = self._header.read(size)
        if size < 0 or len(piece) < size:
            piece += self._rest.read(size - len(piece) if size >= 0 else -1)
        self._hash.update(piece)
        return piece

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


@dataclass(frozen=True, slots=True)
class ReceivedBody:
    """A body that is in. `header` is its header without the empty line, which `empty_line` says is there."""

    spool: Spool
    header: bytes
    empty_line: bool

    @contextmanager
    def stored(self, header: bytes) -> Iterator[StoredStream]:
        """With another header; only where the body has spilled."""
        front = header if self.empty_line else header + _CRLF
        with self.spool.from_offset(len(self.header)) as rest:
            yield StoredStream(front, rest, len(front) + self.spool.size - len(self.header))
