"""Which part of a mail is an attachment that the account's rules forbid.

Every name of a part is judged, its type where it has no name, and its sniffed kind where that contradicts the names.
Not attachments: what clients show as the mail itself, signatures, receipts and reports, invitations, and the wrapper of
a forwarded mail (its parts are judged by themselves).
"""

import re
import unicodedata
from collections.abc import Collection, Iterator
from typing import NamedTuple

from varco_common.events import Choice, Rules
from varco_common.mime import Manifest, Part
from varco_policy.extensions import EXECUTABLE, KINDS, TEXT_KINDS, TYPES

_BODIES = frozenset({"text/plain", "text/html", "text/enriched", "text/richtext", "text/x-amp-html", "text/watch-html"})

# Parts that clients make by themselves, and the extensions that they give them.
_ACCESSORIES: dict[str, frozenset[str]] = {
    "application/ics": frozenset({"ics"}),
    "application/pkcs7-signature": frozenset({"p7s"}),
    "application/x-pkcs7-signature": frozenset({"p7s"}),
    "application/pgp-signature": frozenset({"asc", "sig"}),
    "application/pgp-keys": frozenset({"asc"}),
    "message/delivery-status": frozenset(),
    "message/disposition-notification": frozenset(),
    "message/feedback-report": frozenset(),
    "message/global": frozenset({"eml"}),
    "message/global-delivery-status": frozenset(),
    "message/global-disposition-notification": frozenset(),
    "message/global-headers": frozenset(),
    "message/rfc822": frozenset({"eml"}),
    "text/calendar": frozenset({"ics"}),
    "text/rfc822-headers": frozenset(),
}
_ACCESSORY_KINDS = frozenset({"", "html", "xml", "calendar", "pgp", "pkcs7"})
_SEALED = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted"})

_SEALED_WHY = "is encrypted or opaquely signed: nobody but its recipient can look into it"

_INNER = re.compile(r"\.\s*([^.:/\\\0]*?)\s*(?=[.:/\\\0])")  # what stands between a dot and the next separator
_PATH = re.compile(r"[/\\]")


class ForbiddenAttachment(NamedTuple):
    """A forbidden attachment: what to call it, and why it is forbidden (for operators)."""

    name: str
    why: str


def first_forbidden(manifest: Manifest, rules: Rules) -> ForbiddenAttachment | None:
    """The first part that the rules forbid; None where all may pass."""
    allowed = rules.attachments
    if allowed is None:
        return None
    if manifest.encrypted and rules.encrypted is Choice.REFUSE:
        return _sealed(manifest)
    for part in manifest.parts:
        if not _is_body(part) and (finding := _judge(part, manifest, allowed, rules.encrypted)):
            return finding
    return None


def _judge(part: Part, manifest: Manifest, allowed: Collection[str], encrypted: Choice) -> ForbiddenAttachment | None:
    names = [name for name in part.names if name.strip()]
    called = names[0] if names else part.media_type
    if _is_sealed(part, manifest):
        return None if encrypted is Choice.ACCEPT else ForbiddenAttachment(called, _SEALED_WHY)
    if _is_accessory(part):
        allowed, judge_bare = {*allowed, *_ACCESSORIES[part.media_type], ""}, False
    else:
        judge_bare = not part.media_type.startswith("multipart/")
    for name in names:
        if why := _name_objection(name, allowed, part.media_type, judge_bare=judge_bare):
            return ForbiddenAttachment(name, why)
    if not names and judge_bare and not _type_allowed(part.media_type, allowed):
        return ForbiddenAttachment(called, f"has no name, and its type {part.media_type} is not allowed")
    return _contradiction(part, names, allowed)


def _is_body(part: Part) -> bool:
    """What clients show as the mail's text. A second one is shown below the first, or called ATT00001 by Outlook."""
    return (
        part.media_type in _BODIES and not part.names and part.disposition != "attachment" and part.kind in TEXT_KINDS
    )


def _is_accessory(part: Part) -> bool:
    """An invitation that isn't shown beside the text must be one: Gmail and Outlook attach it a second time."""
    if part.media_type == "application/ics" or (
        part.media_type == "text/calendar" and part.disposition == "attachment"
    ):
        return part.kind == "calendar"
    return part.media_type in _ACCESSORIES


def _is_sealed(part: Part, manifest: Manifest) -> bool:
    """Encrypted, or signed in the opaque way of S/MIME (RFC 8551 3.5.2), or the data of PGP/MIME (RFC 3156 4)."""
    if part.kind not in _ACCESSORY_KINDS:
        return False  # an executable under a false flag
    return part.media_type in _SEALED or (
        manifest.encrypted
        and part.media_type == "application/octet-stream"
        and all(extension(name) in ("asc", "pgp", "gpg") for name in part.names)
    )


def _sealed(manifest: Manifest) -> ForbiddenAttachment:
    names = [name for part in manifest.parts for name in part.names if _is_sealed(part, manifest)]
    types = [part.media_type for part in manifest.parts if _is_sealed(part, manifest)]
    return ForbiddenAttachment([*names, *types, "encrypted"][0], _SEALED_WHY)


def _name_objection(name: str, allowed: Collection[str], media_type: str, *, judge_bare: bool) -> str:
    last = extension(name)
    if not last:
        if judge_bare and not _type_allowed(media_type, allowed):
            return f"its name has no extension, and its type {media_type} is not allowed"
    elif last not in allowed:
        return f"extension {last} is not allowed"
    for inner in inner_extensions(name):
        if inner in EXECUTABLE and inner not in allowed:
            return f"extension {inner} hides inside its name"
    return ""


def _type_allowed(media_type: str, allowed: Collection[str]) -> bool:
    return any(extension in allowed for extension in TYPES.get(media_type, ()))


def _contradiction(part: Part, names: list[str], allowed: Collection[str]) -> ForbiddenAttachment | None:
    """A sniffed kind that is neither what the names say nor allowed itself. A PNG called .jpg is no threat."""
    expected = KINDS.get(part.kind)
    if expected is None or expected[0] in allowed:
        return None
    if _is_accessory(part) and part.kind in _ACCESSORY_KINDS:
        return None
    claimed = {extension(name) for name in names} - {""} or TYPES.get(part.media_type, frozenset())
    if claimed and claimed <= {*expected}:
        return None
    return ForbiddenAttachment(names[0] if names else part.media_type, f"its content is {part.kind}")


def extension(name: str) -> str:
    """What a client opens the file by: lower case, without the dot; empty where there is none.

    Directories, trailing dots and blanks, and characters that can't be seen don't count: Windows and clients drop them.
    """
    base = _PATH.split(_visible(name).replace("\0", ""))[-1].rstrip(". ")
    return base.rpartition(".")[2].strip().lower() if "." in base else ""


def inner_extensions(name: str) -> Iterator[str]:
    """The extensions before the last one, and before a colon, slash or NUL where some client might end the name."""
    return (found.lower() for found in _INNER.findall(_visible(name)))


def _visible(name: str) -> str:
    """Without controls and direction marks (but NUL), and with look-alike dots and letters as plain ones."""
    if name.isascii() and name.isprintable():
        return name
    shown = "".join(c for c in name if c == "\0" or c.isspace() or unicodedata.category(c)[0] != "C")
    return unicodedata.normalize("NFKC", shown)
