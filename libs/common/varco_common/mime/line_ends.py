"""Lines end in CRLF and have no NUL (RFC 5321 2.3.8, RFC 5322 2.3)."""

from varco_common.mime.defects import Defect, Defects

_NOT_CRLF_NUL = bytes(c for c in range(256) if c not in b"\r\n\0")


def is_only_crlf(piece: bytes, length: int) -> bool:
    """Whether all `length` bytes of `piece` that are no digits are CRLF pairs.

    Checks lines of one width, as encoders write them, by two strides: much faster than counting.
    """
    first, last = piece.find(b"\r\n"), piece.rfind(b"\r\n")
    width = piece.find(b"\r\n", first + 2) - first
    if 0 <= first < last:
        crs, lfs = piece[first:last:width], piece[first + 1 : last : width]
        pairs = len(crs) + 1
        if length == 2 * pairs and crs.count(b"\r") == lfs.count(b"\n") == len(lfs) == len(crs):
            return True
    return length == 2 * piece.count(b"\r\n")


def check_line_ends(piece: bytes, defects: Defects) -> None:
    """Finds NUL and bare line ends."""
    rest = piece.translate(None, _NOT_CRLF_NUL)
    if len(rest) == 2 * piece.count(b"\r\n"):  # then each CR and each LF is half of a CRLF
        return
    if b"\0" in rest:
        defects.add(Defect.NUL)
    if len(rest) - rest.count(b"\0") != 2 * piece.count(b"\r\n"):
        defects.add(Defect.BARE_LINE_END)
