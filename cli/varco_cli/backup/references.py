"""The objects that a backup needs: bodies of mails in MAIL, and files of live links."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import NamedTuple

import msgspec

from varco_common.base import subjects
from varco_common.bus import Bus, MissingMail
from varco_common.events import AttachmentLinked, LinkExpired, LinkRevoked
from varco_common.mail.record import decode_record
from varco_common.storage.object_store import BODIES, LINKS

_RECORDS = subjects.mail("*", "*")
_FACTS = tuple(kind.subject_filter() for kind in (AttachmentLinked, LinkExpired, LinkRevoked))


class ObjectReference(NamedTuple):
    """An object that a backup must contain.

    `why` names the mail or link that needs it. `sequence` is that of the record in MAIL, 0 for a
    link.
    """

    bucket: str
    key: str
    sha256: str
    why: str
    sequence: int = 0


async def body_references(bus: Bus) -> AsyncIterator[ObjectReference]:
    """Yields the bodies of mails in MAIL that are objects."""
    if not (last := await bus.mail.last_sequence(_RECORDS)):
        return
    async with aclosing(bus.mail.follow(_RECORDS)) as records:
        async for stored in records:
            try:
                record = decode_record(stored.record)
            except (msgspec.DecodeError, UnicodeDecodeError):
                record = None  # not a record: the service that reads it will park it as a dead letter
            if record and record.body.object:
                body, mail = record.body, record.envelope.id
                yield ObjectReference(BODIES, body.object, body.sha256, f"mail {mail}", stored.sequence)
            if stored.sequence >= last:
                return


async def link_references(bus: Bus) -> list[ObjectReference]:
    """Returns the files of all live links. Several links may share a file."""
    live: dict[str, AttachmentLinked] = {}
    if not (last := await bus.events.last_sequence(*_FACTS)):
        return []
    async with aclosing(bus.events.follow(*_FACTS)) as events:
        async for stored in events:
            match stored.event:
                case AttachmentLinked() as linked:
                    live[linked.link] = linked
                case LinkExpired() | LinkRevoked() as ended:
                    live.pop(ended.link, None)
            if stored.sequence >= last:
                break
    by_object = {linked.object: linked for linked in live.values()}
    return [ObjectReference(LINKS, key, linked.sha256, f"link {linked.link}") for key, linked in by_object.items()]


async def is_still_needed(bus: Bus, reference: ObjectReference) -> bool:
    """Says whether the mail or the link still exists.

    It may have been erased, with its object, after the reference was listed.
    """
    if reference.sequence:
        try:
            await bus.mail.get(reference.sequence)
        except MissingMail:
            return False
        return True
    return reference.key in {link.key for link in await link_references(bus)}
