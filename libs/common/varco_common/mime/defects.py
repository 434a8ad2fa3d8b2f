"""The closed list of defects: ambiguities that two mail clients can read in two ways."""

from enum import StrEnum
from typing import Self


class Defect(StrEnum):
    """A word in the manifest, and what two clients could disagree on."""

    about: str

    def __new__(cls, word: str, about: str) -> Self:
        """A member's value is its word in the manifest; `about` explains it."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.about = about
        return member

    # Headers
    HEADER_WITHOUT_COLON = "header-without-colon", "one ends the header at a line without a colon, another skips it"
    BLANK_BEFORE_COLON = "blank-before-colon", "one takes 'Content-Type :' for the field, another for an unknown one"
    ODD_FIELD_NAME = (
        "odd-field-name",
        "one skips an odd or unknown field, another mends its name or takes a file name from it",
    )
    BLANK_HEADER_LINE = "blank-header-line", "one ends the header at a line of blanks, another reads on"
    BLANK_BEFORE_HEADER = "blank-before-header", "one skips blank lines before a header, another takes it for text"
    HEADER_TOO_LONG = "header-too-long", "one reads the whole header, another only its beginning"
    HEADER_UNFINISHED = "header-unfinished", "one takes a part that ends inside its header for empty, another for text"
    TWO_TYPES = "two-types", "one obeys the first Content-Type, another the last"
    TWO_DISPOSITIONS = "two-dispositions", "one obeys the first Content-Disposition, another the last"
    TWO_ENCODINGS = "two-encodings", "one obeys the first Content-Transfer-Encoding, another the last"
    BAD_TYPE = "bad-type", "one takes an unreadable Content-Type for text, another for a file"

    # The tree
    BOUNDARY_MISSING = (
        "boundary-missing",
        "one shows a multipart without a boundary as text, another guesses the boundary",
    )
    BOUNDARY_ODD = "boundary-odd", "two readings of the boundary parameter give two boundaries"
    BOUNDARY_TOO_LONG = "boundary-too-long", "one compares the whole boundary, another its first 70 characters"
    BOUNDARY_REUSED = "boundary-reused", "one ends the inner multipart at the delimiter, another the outer one"
    BOUNDARY_PREFIX = "boundary-prefix", "a delimiter of one multipart begins like that of another"
    DELIMITER_ODD = "delimiter-odd", "one takes a line that only begins like a delimiter for one, another for text"
    DELIMITER_PADDED = "delimiter-padded", "one allows blanks after a delimiter, another doesn't"
    DELIMITER_AFTER_END = "delimiter-after-end", "one stops at the closing delimiter, another reads the parts behind it"
    NO_DELIMITER = "no-delimiter", "one shows a multipart without any delimiter as text, another as nothing"
    MISSING_END = "missing-end", "one ends an unclosed multipart at the outer delimiter, another drops its last part"
    PART_OUTSIDE = (
        "part-outside",
        "text outside of the delimiters, or in a report, looks like a part or holds a file",
    )
    HEADER_IN_CONTENT = "header-in-content", "one shows lines like a part's header as text, another reads a part there"
    TOO_DEEP = "too-deep", "one opens all levels, another stops early"
    TOO_MANY_PARTS = "too-many-parts", "more parts than the manifest lists: the rest wasn't looked at"
    TOO_MANY_DELIMITERS = "too-many-delimiters", "more lines like delimiters than are looked at"
    PARTIAL_MESSAGE = "partial-message", "a piece of a mail that the client puts together again (RFC 2046 5.2.2)"
    EXTERNAL_BODY = "external-body", "the client fetches the content from elsewhere (RFC 2046 5.2.3)"

    # Encodings
    ENCODED_MULTIPART = "encoded-multipart", "one decodes a multipart before reading its parts, another doesn't"
    ENCODED_MESSAGE = "encoded-message", "one decodes and opens an encoded message, another shows it as a file"
    UNKNOWN_ENCODING = "unknown-encoding", "one shows it undecoded, another guesses the encoding"
    BASE64_FOREIGN = "base64-foreign", "one skips characters outside the alphabet, another stops at them"
    BASE64_AFTER_PADDING = "base64-after-padding", "one stops at the padding, another decodes what follows"
    BASE64_PADDING = "base64-padding", "one drops the unpadded end, another decodes it, a third decodes nothing"
    BROKEN_QUOTED_PRINTABLE = (
        "broken-quoted-printable",
        "one keeps an = that encodes nothing in a file, another drops it",
    )

    # Bytes
    NUL = "nul", "one cuts the line at the NUL, another drops the NUL"
    BARE_LINE_END = "bare-line-end", "one ends a line at a lone CR or LF, another doesn't"
    LONE_DOT = "lone-dot", "a line that starts with a dot in a header, or with one that the client didn't double"

    # Names and addresses
    BAD_PARAMETER = (
        "bad-parameter",
        "a name that is unclosed, incomplete, double, in an unknown charset, or goes on behind its quotes",
    )
    ODD_NAME = "odd-name", "control or direction characters in a name: what is shown isn't what is opened"
    NAME_TOO_LONG = "name-too-long", "one cuts the name, and so changes its extension"
    TOO_MANY_NAMES = "too-many-names", "more names for one part than the manifest lists"
    FROM_MISSING = "from-missing", "no From field: one shows the envelope's sender, another the Sender field"
    FROM_UNREADABLE = "from-unreadable", "two clients would read two authors from a From field, or none"
    TOO_MANY_AUTHORS = "too-many-authors", "more authors than the manifest lists"

    # The manifest itself
    MANIFEST_CUT = "manifest-cut", "the manifest would be too big: parts are missing from its end"
    SCAN_FAILED = "scan-failed", "the scanner gave up: nothing is known of the body"


Defects = set[Defect]


def defect_words(defects: Defects) -> tuple[str, ...]:
    """The defects as words, in the order of the list."""
    return tuple(defect.value for defect in Defect if defect in defects) if defects else ()
