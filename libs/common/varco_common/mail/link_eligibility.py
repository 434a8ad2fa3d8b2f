"""Which parts of a mail are large attachments that can become links. Pure."""

from varco_common.mime import Defect, Manifest, Part

NOTICE_BYTES = 1_500  # that the notice of a link adds to a mail, text and HTML together

_MESSAGES = ("message/rfc822", "message/global")
_SHOWN = ("text/plain", "text/html")
_ENCODINGS = frozenset({"base64", "quoted-printable", "7bit", "8bit", "binary"})
# These leave no doubt where a part begins and ends, or about its decoded content.
_HARMLESS = frozenset(
    {
        Defect.FROM_MISSING,
        Defect.FROM_UNREADABLE,
        Defect.TOO_MANY_AUTHORS,
        Defect.BAD_PARAMETER,
        Defect.ODD_NAME,
        Defect.NAME_TOO_LONG,
        Defect.TOO_MANY_NAMES,
        Defect.DELIMITER_PADDED,
    }
)


def parts_over(manifest: Manifest, over: int) -> tuple[Part, ...]:
    """The attachments of more than `over` decoded bytes, in their order.

    A text that clients show, and an image that the HTML shows (inline, with a Content-ID), are no
    attachments. An attached mail counts as a whole, without its own parts.
    """
    outer = tuple(part for part in manifest.parts if part.size > over and _attached(part))
    return tuple(part for part in outer if not inside_message(part, manifest))


def obstacle(manifest: Manifest) -> str:
    """Why this mail cannot be rewritten; empty if it can."""
    if manifest.signed:
        return "signed"
    if manifest.encrypted:
        return "encrypted"
    ambiguous = [word for word in manifest.defects if word not in _HARMLESS]
    return f"ambiguous ({', '.join(ambiguous)})" if ambiguous else ""


def convertible(manifest: Manifest, over: int) -> tuple[Part, ...]:
    """The parts that become links."""
    parts = parts_over(manifest, over)
    return () if parts and obstacle(manifest) else parts


def leaving_size(size: int, manifest: Manifest, over: int) -> int:
    """The size in bytes of a mail of `size` bytes after its conversion."""
    parts = convertible(manifest, over)
    return size - sum(max(part.end - part.start - NOTICE_BYTES, 0) for part in parts)


def shown_text(part: Part) -> bool:
    """Whether clients show the part as text of the mail itself."""
    return part.media_type in _SHOWN and not part.names and part.disposition != "attachment" and "/" not in part.path


def inside_message(part: Part, manifest: Manifest) -> bool:
    """Whether the part belongs to an attached mail."""
    return any(
        part.path.startswith(f"{outer.path}.") and outer.media_type in _MESSAGES
        for outer in manifest.parts
        if outer is not part
    )


def _attached(part: Part) -> bool:
    if "/" in part.path or part.media_type.startswith("multipart/") or part.encoding not in _ENCODINGS:
        return False
    embedded = part.content_id and part.disposition != "attachment" and part.media_type.startswith("image/")
    return not embedded and not shown_text(part)
