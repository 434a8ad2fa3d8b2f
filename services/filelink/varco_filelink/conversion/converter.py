"""Converts one mail in one pass over its body: files go to the store, the rest becomes the mail that leaves."""

import hashlib
import mimetypes
import os
import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple

from varco_common.base.errors import PoisonError
from varco_common.events import AttachmentLinked
from varco_common.mail.envelope import domain_of
from varco_common.mail.record import BodyReference, MailAccepted
from varco_common.mime import Part
from varco_common.storage.object_store import ObjectStore, Upload
from varco_filelink.conversion.body_source import BodySource
from varco_filelink.conversion.edit_plan import BodyEdit, plan_edits
from varco_filelink.conversion.notice_text import LinkedFile, display_name, link_notice
from varco_filelink.conversion.transfer_decoding import decoder
from varco_filelink.model.account_settings import LinkSettings
from varco_filelink.model.link_state import Link

_EXTENSION = re.compile(r"[a-z0-9]{1,10}")


class ConvertedMail(NamedTuple):
    """`inline` is the body where it is small, else `body.object` names it. `links` are to be said before the mail goes."""

    body: BodyReference
    inline: bytes
    links: list[AttachmentLinked]


class Converter:
    """`files` keeps what links lead to, `bodies` what is too large for a record. `base_url` is for accounts without one."""

    def __init__(self, files: ObjectStore, bodies: ObjectStore, base_url: str, inline: int) -> None:
        self._files, self._bodies, self._base_url, self._inline = files, bodies, base_url, inline

    async def convert(
        self, record: MailAccepted, source: BodySource, terms: LinkSettings, made: dict[str, Link], now: datetime
    ) -> ConvertedMail:
        """`made` are the links that an earlier try has said already: they stay. Raises TransientError, PoisonError."""
        by_path = {part.path: part for part in record.manifest.parts}
        parts = [by_path[path] for path in record.convert if path in by_path]
        planned = {part.path: made.get(part.path) or self._link(record, part, terms, now) for part in parts}
        first = next(iter(planned.values()))
        moved = [LinkedFile(link.name, part.size, link.url) for part, link in zip(parts, planned.values(), strict=True)]
        notice = link_notice(moved, terms.language, first.expires_at - first.linked_at, first.expires_at)
        todo = await plan_edits(source, record, parts, notice)
        fresh = {path for path in planned if path not in made}
        outlet = OutgoingBody(self._bodies, f"{record.envelope.id}.{os.urandom(4).hex()}", self._inline)
        try:
            files = await self._run(source, todo, outlet, {path: planned[path].object for path in fresh})
            body, inline = await outlet.finish()
        except BaseException:
            await outlet.abort()
            raise
        return ConvertedMail(
            body, inline, [_link_event(planned[path], *files[path]) for path in planned if path in fresh]
        )

    def _link(self, record: MailAccepted, part: Part, terms: LinkSettings, now: datetime) -> Link:
        envelope = record.envelope
        digits, end = os.urandom(20).hex(), extension(part)
        base = terms.base_url or self._base_url
        return Link(
            link=digits,
            account=envelope.account,
            mail=envelope.id,
            part=part.path,
            url=f"{base}/files/{digits}.{end}",
            object=f"{envelope.account}/{envelope.id}/{part.path}-{os.urandom(4).hex()}",  # each try writes its own
            name=display_name(part.names, end),
            size=part.size,
            sha256="",
            domain=domain_of(envelope.sender),
            linked_at=now,
            expires_at=now + terms.keep,
        )

    async def _run(
        self, source: BodySource, todo: Sequence[BodyEdit], outlet: "OutgoingBody", keys: dict[str, str]
    ) -> dict[str, tuple[int, str]]:
        """One pass; gives each stored file's size and SHA-256 by its part's path."""
        found: dict[str, tuple[int, str]] = {}
        body = SequentialReader(source.stream())
        for edit in todo:
            async for piece in body.until(edit.start):
                await outlet.write(piece)
            await outlet.write(edit.instead)
            if edit.part is None or edit.part.path not in keys:
                await body.skip(edit.end)
                continue
            await body.skip(edit.content)
            found[edit.part.path] = await self._store(keys[edit.part.path], edit.part, body.until(edit.end))
        async for piece in body.until(source.size):
            await outlet.write(piece)
        return found

    async def _store(self, key: str, part: Part, pieces: AsyncIterator[bytes]) -> tuple[int, str]:
        """The decoded file into the store."""
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
    """A stream of pieces, taken range by range in the order of offsets."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces, self._held, self._at = pieces, b"", 0

    async def until(self, end: int) -> AsyncIterator[bytes]:
        """What lies between where this stands and `end`. Raises PoisonError where the stream is shorter."""
        while self._at < end:
            piece = self._held or await anext(self._pieces, b"")
            if not piece:
                raise PoisonError("the stored body is shorter than its record says")
            taken, self._held = piece[: end - self._at], piece[end - self._at :]
            self._at += len(taken)
            yield taken

    async def skip(self, end: int) -> None:
        async for _ in self.until(end):
            pass


class OutgoingBody:
    """The mail that leaves: in memory while it is small, then an object of the bodies' bucket."""

    def __init__(self, bodies: ObjectStore, key: str, inline: int) -> None:
        self._bodies, self._key, self._most = bodies, key, inline
        self._digest, self._size = hashlib.sha256(), 0
        self._held: list[bytes] = []
        self._upload: Upload | None = None

    async def write(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._size += len(piece)
        if self._upload is None:
            self._held.append(piece)
            if self._size <= self._most:
                return
            self._upload = self._bodies.upload(self._key)
            piece, self._held = b"".join(self._held), []
        await self._upload.write(piece)

    async def finish(self) -> tuple[BodyReference, bytes]:
        digest = self._digest.hexdigest()
        if self._upload is None:
            return BodyReference(size=self._size, sha256=digest), b"".join(self._held)
        await self._upload.finish()
        return BodyReference(size=self._size, sha256=digest, object=self._key), b""

    async def abort(self) -> None:
        if self._upload:
            await self._upload.abort()


def extension(part: Part) -> str:
    """What the link ends in: the name's own, else the media type's; letters and digits alone."""
    for name in part.names[:1]:
        end = name.rpartition(".")[2].lower()
        if "." in name and _EXTENSION.fullmatch(end):
            return end
    if part.media_type in ("message/rfc822", "message/global"):
        return "eml"
    return (mimetypes.guess_extension(part.media_type) or ".bin").removeprefix(".")


def _link_event(link: Link, size: int, sha256: str) -> AttachmentLinked:
    return AttachmentLinked(
        at=link.linked_at,
        account=link.account,
        by="filelink",
        mail=link.mail,
        part=link.part,
        link=link.link,
        url=link.url,
        object=link.object,
        name=link.name,
        size=size,
        sha256=sha256,
        domain=link.domain,
        expires_at=link.expires_at,
    )
