"""Uploads to an S3 server of objects whose size is not known in advance."""

import contextlib
import re

from varco_common.base.errors import TransientError
from varco_common.storage.s3_connection import S3Connection

PART_BYTES = 8 * 1024 * 1024  # S3 wants parts of at least 5 MiB
_UPLOAD_ID = re.compile(rb"<UploadId>([^<]+)</UploadId>")


class MultipartUpload:
    """Holds at most one part in memory. An object that is smaller than a part goes in one request.

    See Upload for what the methods do.
    """

    def __init__(self, connection: S3Connection, key: str) -> None:
        self._connection, self._key = connection, key
        self._pieces: list[bytes] = []
        self._size = 0
        self._upload_id = ""
        self._tags: list[str] = []

    async def write(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size >= PART_BYTES:
            await self._send_part()

    async def finish(self) -> None:
        if not self._upload_id:
            await self._connection.request("PUT", self._key, body=b"".join(self._pieces), length=self._size)
            return
        if self._pieces:
            await self._send_part()
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>"
            for number, tag in enumerate(self._tags, 1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        query = {"uploadId": self._upload_id}
        response = await self._connection.request("POST", self._key, query, body=body, length=len(body))
        if b"<Error>" in response.data:  # S3 may answer 200 and report a failure in the body
            raise TransientError(f"the object store failed: {response.data[:300]!r}")

    async def abort(self) -> None:
        self._pieces.clear()
        if self._upload_id:
            with contextlib.suppress(TransientError):
                query = {"uploadId": self._upload_id}
                await self._connection.request("DELETE", self._key, query, length=0, expected=(200, 204, 404))

    async def _send_part(self) -> None:
        if not self._upload_id:
            self._upload_id = await self._begin()
        pieces, size, self._pieces, self._size = self._pieces, self._size, [], 0
        query = {"partNumber": str(len(self._tags) + 1), "uploadId": self._upload_id}
        response = await self._connection.request("PUT", self._key, query, body=pieces, length=size)
        self._tags.append(response.headers["ETag"])

    async def _begin(self) -> str:
        response = await self._connection.request("POST", self._key, {"uploads": ""}, length=0)
        match = _UPLOAD_ID.search(response.data)
        if not match:
            raise TransientError(f"the object store began no upload: {response.data[:300]!r}")
        return match[1].decode()
