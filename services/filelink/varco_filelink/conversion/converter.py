"""Converts a mail in one pass: files go to the object store, the rest becomes the outgoing mail."""

import hashlib
import mimetypes
import os
import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from varco_common.base.errors import PoisonError
from varco_common.events import AttachmentLinked
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.envelope import domain_of
from varco_common.mail.record import BodyReference, MailAccepted
from varco_common.mail.wire_form import DotCounter
from varco_common.mime import Part
from varco_common.storage.object_store import ObjectStore, Upload
from varco_filelink.conversion.body_source import BodySource
from varco_filelink.conversion.edit_plan import BodyEdit, plan_edits
from varco_filelink.conversion.notice_text import LinkedFile, display_name, link_notice
from varco_filelink.conversion.transfer_decoding import decoder
from varco_filelink.link_addresses import LinkAddresses, hidden_url, link_id
from varco_filelink.model.account_settings import LinkSettings
from varco_filelink.model.link_state import Link

_EXTENSION = re.compile(r"[a-z0-9]{1,10}")


class ConvertedMail(NamedTuple):
    """A small body is `inline`, else in `body.object`. Append `links` before the mail."""

    body: BodyReference
    inline: bytes
    links: list[AttachmentLinked]


class Converter:
    """`files` stores linked files, `bodies` large bodies; `base_url` is the default."""

    def __init__(self, files: ObjectStore, bodies: ObjectStore, base_url: str, addresses: LinkAddresses) -> None:
        self._files, self._bodies, self._base_url, self._addresses = files, bodies, base_url, addresses

    async def convert(
        self,
        record: MailAccepted,
        source: BodySource,
        settings: LinkSettings,
        existing: dict[str, Link],
        now: datetime,
        *,
        texts: AccountTexts,
    ) -> ConvertedMail:
        """`existing` are the links that an earlier try appended, by part.

        Raises TransientError, PoisonError.
        """
        by_path = {part.path: part for part in record.manifest.parts}
        parts = [by_path[path] for path in record.convert if path in by_path]
        new = {part.path: self._new_link(record, part, settings, now) for part in parts if part.path not in existing}
        planned = {part.path: existing.get(part.path) or new[part.path] for part in parts}
        first = planned[parts[0].path]
        linked_at = first.linked_at if isinstance(first, Link) else first.at
        files = [LinkedFile(planned[part.path].name, part.size, self._url(planned[part.path])) for part in parts]
        notice = link_notice(files, texts, first.expires_at - linked_at, first.expires_at)
        edits = await plan_edits(source, record, parts, notice)
        outgoing = OutgoingBody(self._bodies, f"{record.envelope.id}.{os.urandom(4).hex()}")
        try:
            stored = await self._rewrite(source, edits, outgoing, {path: link.object for path, link in new.items()})
            body, inline = await outgoing.finish()
        except BaseException:
            await outgoing.abort()
            raise
        links = [replace(link, size=stored[path][0], sha256=stored[path][1]) for path, link in new.items()]
        return ConvertedMail(body, inline, links)

    def _new_link(self, record: MailAccepted, part: Part, settings: LinkSettings, now: datetime) -> AttachmentLinked:
        envelope = record.envelope
        end = extension(part)
        link = link_id(self._addresses.name(envelope.id, part.path, end))
        return AttachmentLinked(
            at=now,
            by="filelink",
            link=link,
            account=envelope.account,
            mail=envelope.id,
            part=part.path,
            url=hidden_url(settings.base_url or self._base_url, link, end),
            object=f"{envelope.account}/{envelope.id}/{part.path}-{os.urandom(4).hex()}",  # one for each try
            name=display_name(part.names, end),
            size=part.size,
            sha256="",
            domain=domain_of(envelope.sender),
            expires_at=now + settings.keep,
        )

    def _url(self, link: Link | AttachmentLinked) -> str:
        url = self._addresses.url(link)
        if not url:
            raise PoisonError(f"link {link.link} of an earlier try was made with another filelink.key")
        return url

    async def _rewrite(
        self, source: BodySource, edits: Sequence[BodyEdit], outgoing: "OutgoingBody", keys: dict[str, str]
    ) -> dict[str, tuple[int, str]]:
        """Applies the edits. Returns size and SHA-256 of each stored file by its path."""
        stored: dict[str, tuple[int, str]] = {}
        body = SequentialReader(source.stream())
        for edit in edits:
            async for piece in body.until(edit.start):
                await outgoing.write(piece)
            await outgoing.write(edit.instead)
            if edit.part is None or edit.part.path not in keys:
                await body.skip(edit.end)
                continue
            await body.skip(edit.content)
            stored[edit.part.path] = await self._store(keys[edit.part.path], edit.part, body.until(edit.end))
        async for piece in body.until(source.size):
            await outgoing.write(piece)
        return stored

    async def _store(self, key: str, part: Part, pieces: AsyncIterator[bytes]) -> tuple[int, str]:
        """Writes the decoded file. Returns its size and SHA-256."""
        decoding, digest, size = decoder(part.encoding), hashlib.sha256(), 0
        upload = self._files.upload(key)
        try:
            async for piece in pieces:
                plain = decoding.feed(piece)
                digest.update(plain)
                size += len(plain)
                await upload.write(plain)
            last = decoding.end()
            digest.update(last)
            await upload.write(last)
            await upload.finish()
        except BaseException:
            await upload.abort()
            raise
        return size + len(last), digest.hexdigest()


class SequentialReader:
    """Reads a stream range by range, in ascending order of offsets."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces, self._rest, self._at = pieces, b"", 0

    async def until(self, end: int) -> AsyncIterator[bytes]:
        """Yields the bytes up to offset `end`. Raises PoisonError if the stream is shorter."""
        while self._at < end:
            piece = self._rest or await anext(self._pieces, b"")
            if not piece:
                raise PoisonError("the stored body is shorter than its record says")
            taken, self._rest = piece[: end - self._at], piece[end - self._at :]
            self._at += len(taken)
            yield taken

    async def skip(self, end: int) -> None:
        async for _ in self.until(end):
            pass


class OutgoingBody:
    """The body of the outgoing mail: in its record if it is small, else an object."""

    def __init__(self, bodies: ObjectStore, key: str) -> None:
        self._bodies, self._key = bodies, key
        self._digest, self._size, self._dots = hashlib.sha256(), 0, DotCounter()
        self._inline: list[bytes] = []
        self._upload: Upload | None = None

    async def write(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._dots.feed(piece)
        self._size += len(piece)
        if self._upload is None:
            self._inline.append(piece)
            if self._size <= self._bodies.inline_bytes:
                return
            self._upload = self._bodies.upload(self._key)
            piece, self._inline = b"".join(self._inline), []
        await self._upload.write(piece)

    async def finish(self) -> tuple[BodyReference, bytes]:
        reference = BodyReference(size=self._size, sha256=self._digest.hexdigest(), dots=self._dots.dots)
        if self._upload is None:
            return reference, b"".join(self._inline)
        await self._upload.finish()
        return replace(reference, object=self._key), b""

    async def abort(self) -> None:
        if self._upload:
            await self._upload.abort()


def extension(part: Part) -> str:
    """The file extension in the URL: that of the name, else that of the media type."""
    for name in part.names[:1]:
        end = name.rpartition(".")[2].lower()
        if "." in name and _EXTENSION.fullmatch(end):
            return end
    if part.media_type in ("message/rfc822", "message/global"):
        return "eml"
    return (mimetypes.guess_extension(part.media_type) or ".bin").removeprefix(".")
