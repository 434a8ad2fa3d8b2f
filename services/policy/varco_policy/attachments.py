"""Finds an attachment that the account's rules forbid. Pure.

Every name of a part is checked; its media type if it has no name; and its content if that
contradicts its names. These are no attachments: the text of the mail, signatures, receipts and
reports, invitations, and the wrapper of a forwarded mail, whose parts are checked one by one.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

from varco_common.events import Choice, Rules
from varco_common.mime import Manifest, Part
from varco_policy.extensions import EXECUTABLE, KINDS, KNOWN, PICTURE_EXTENSIONS, PICTURES, TEXT_KINDS, type_extensions
from varco_policy.file_names import extension, hidden_extensions

_BODIES = frozenset({"text/plain", "text/html", "text/enriched", "text/richtext", "text/x-amp-html", "text/watch-html"})

# Parts that clients add themselves, and the extensions that they give to them.
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
    "message/rfc822-headers": frozenset(),  # some write this for text/rfc822-headers
    "text/calendar": frozenset({"ics"}),
    "text/rfc822-headers": frozenset(),
}
_ACCESSORY_KINDS = frozenset({"", "html", "xml", "calendar", "pgp", "pkcs7"})
_ENCRYPTED_KINDS = frozenset({"", "pgp", "pkcs7", "pkcs7-enveloped"})
_ENCRYPTED_EXTENSIONS = frozenset({"asc", "gpg", "p7m", "pgp"})  # that clients give to encrypted data
_SMIME_TYPES = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})

_ENCRYPTED_WHY = "is encrypted or opaquely signed: nobody but its recipient can look into it"


_WORD = re.compile(r"\w+")  # `exe"` of a broken parameter holds a known extension


class ForbiddenAttachment(NamedTuple):
    """`name` is for the client, `why` for operators.

    Without a name the mail itself is encrypted.
    """

    name: str
    why: str


def first_forbidden(manifest: Manifest, rules: Rules) -> ForbiddenAttachment | None:
    """The first part that the rules forbid; None if all may pass."""
    allowed = rules.attachments
    if allowed is None:
        return None
    if manifest.encrypted and rules.encrypted is Choice.REFUSE:
        return _first_encrypted(manifest)
    for part in manifest.parts:
        if not _is_body(part) and (forbidden := _check(part, manifest, allowed, rules.encrypted)):
            return _in_reading(forbidden, part.reading) if part.reading else forbidden
    return None


def _in_reading(forbidden: ForbiddenAttachment, reading: str) -> ForbiddenAttachment:
    return forbidden._replace(why=f"{forbidden.why}; some clients show this part because of {reading}")


def _check(part: Part, manifest: Manifest, allowed: Collection[str], encrypted: Choice) -> ForbiddenAttachment | None:
    names = [name for name in part.names if name.strip()]
    shown_name = names[0] if names else part.media_type
    check_type = not part.media_type.startswith("multipart/")
    if encrypted is Choice.REFUSE and _is_encrypted(part, manifest):
        return ForbiddenAttachment(shown_name, _ENCRYPTED_WHY)
    if accepted := encrypted is Choice.ACCEPT and _may_be_encrypted(part, manifest):
        allowed, check_type = {*allowed, *_ENCRYPTED_EXTENSIONS, ""}, False
    elif _is_accessory(part):
        allowed, check_type = {*allowed, *_ACCESSORIES[part.media_type], ""}, False
    for name in names:
        if why := _name_objection(name, allowed, part, check_type=check_type):
            return ForbiddenAttachment(name, why)
    if not names and check_type and not _type_allowed(part.media_type, allowed):
        return ForbiddenAttachment(shown_name, f"has no name, and its type {part.media_type} is not allowed")
    return None if accepted else _contradiction(part, names, allowed)


def _is_body(part: Part) -> bool:
    """Text of the mail. Clients show a second one below the first (Outlook calls it ATT00001)."""
    return (
        part.media_type in _BODIES and not part.names and part.disposition != "attachment" and part.kind in TEXT_KINDS
    )


def _is_accessory(part: Part) -> bool:
    """A part that a client adds itself.

    Gmail and Outlook also attach an invitation: its content must be a calendar.
    """
    if part.media_type == "application/ics" or (
        part.media_type == "text/calendar" and part.disposition == "attachment"
    ):
        return part.kind == "calendar"
    return part.media_type in _ACCESSORIES


def _first_encrypted(manifest: Manifest) -> ForbiddenAttachment:
    names = [name for part in manifest.parts for name in part.names if _may_be_encrypted(part, manifest)]
    types = [part.media_type for part in manifest.parts if _may_be_encrypted(part, manifest)]
    return ForbiddenAttachment([*names, *types, ""][0], _ENCRYPTED_WHY)


def _is_encrypted(part: Part, manifest: Manifest) -> bool:
    """Whether nobody but the recipient can read the content.

    S/MIME is the only part of a mail (RFC 8551 3.5.2 has opaquely signed mail, too). Beside other
    parts the same type is a document, unless it is enveloped, or nothing tells what it is.
    """
    if part.media_type in _SMIME_TYPES and part.kind != "pkcs7-enveloped" and not _is_only_part(part, manifest):
        return part.kind == "" and all(not _is_document(name) for name in part.names)
    return _may_be_encrypted(part, manifest)


def _may_be_encrypted(part: Part, manifest: Manifest) -> bool:
    """S/MIME (RFC 8551 3.2), or PGP/MIME data (RFC 3156 4)."""
    if part.kind not in _ENCRYPTED_KINDS:
        return False  # an executable with a false media type
    if part.kind == "pkcs7-enveloped" or part.media_type in (*_SMIME_TYPES, "application/pgp-encrypted"):
        return True
    return (
        manifest.encrypted
        and part.media_type == "application/octet-stream"
        and all(extension(name) in _ENCRYPTED_EXTENSIONS for name in part.names)
    )


def _is_only_part(part: Part, manifest: Manifest) -> bool:
    return all(
        other is part or "/" in other.path or other.media_type.startswith(("message/", "multipart/"))
        for other in manifest.parts
    )


def _is_document(name: str) -> bool:
    """Whether a name is that of a signed document, `contract.pdf.p7m`. S/MIME is `smime.p7m`."""
    return "." in name.removesuffix(".p7m").removesuffix(".P7M")


def _name_objection(name: str, allowed: Collection[str], part: Part, *, check_type: bool) -> str:
    last = extension(name)
    if last not in allowed and KNOWN.isdisjoint(_WORD.findall(last)) and check_type and _is_what_its_type_says(part):
        last = ""
    if not last:
        if check_type and not _type_allowed(part.media_type, allowed):
            return f"its name has no extension, and its type {part.media_type} is not allowed"
    elif last not in allowed:
        return f"extension {last} is not allowed"
    for inner in hidden_extensions(name):
        if inner in EXECUTABLE and inner not in allowed:
            return f"extension {inner} hides inside its name"
    return ""


def _is_what_its_type_says(part: Part) -> bool:
    """Whether the content is known, and of the declared type."""
    extensions = type_extensions(part.media_type)
    return not extensions.isdisjoint(KINDS.get(part.kind, ())) or (
        part.media_type in ("text/plain", "text/csv") and part.kind in TEXT_KINDS
    )


def _type_allowed(media_type: str, allowed: Collection[str]) -> bool:
    return any(extension in allowed for extension in type_extensions(media_type))


def _contradiction(part: Part, names: list[str], allowed: Collection[str]) -> ForbiddenAttachment | None:
    """A part whose content is neither what its names say nor allowed.

    A picture that is called like another kind of picture is no threat.
    """
    expected = KINDS.get(part.kind)
    if expected is None or expected[0] in allowed:
        return None
    if _is_accessory(part) and part.kind in _ACCESSORY_KINDS:
        return None
    claimed = {extension(name) for name in names} & {*KNOWN, *allowed} - {""} or type_extensions(part.media_type)
    if claimed and (claimed <= {*expected} or (part.kind in PICTURES and claimed <= PICTURE_EXTENSIONS)):
        return None
    return ForbiddenAttachment(names[0] if names else part.media_type, f"its content is {part.kind}")
