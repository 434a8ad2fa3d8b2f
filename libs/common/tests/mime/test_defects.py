"""Each defect of the list is found, and alone where it stands alone."""

import pytest

from varco_common.mime import Defect, scan
from varco_common.mime.scanner import scan_or_raise

FROM = b"From: a@b.example\r\n"
MIXED = FROM + b"Content-Type: multipart/mixed; boundary=X\r\n"
PART = b"--X\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
END = b"--X--\r\n"


def with_type(value: bytes, body: bytes) -> bytes:
    return FROM + b"Content-Type: " + value + b"\r\n\r\n" + body


def with_encoding(value: bytes, body: bytes, media_type: bytes = b"application/pdf") -> bytes:
    return FROM + b"Content-Type: " + media_type + b"\r\nContent-Transfer-Encoding: " + value + b"\r\n\r\n" + body


def with_name(parameter: bytes) -> bytes:
    return FROM + b"Content-Type: application/pdf\r\nContent-Disposition: attachment; " + parameter + b"\r\n\r\nx\r\n"


def nested(depth: int) -> bytes:
    starts = [b"Content-Type: multipart/mixed; boundary=L%03d\r\n\r\n--L%03d\r\n" % (n, n) for n in range(depth)]
    ends = [b"\r\n--L%03d--" % level for level in reversed(range(depth))]
    return b"".join([FROM, *starts, b"\r\nhello", *ends])


D = Defect
EMPTY = {D.NO_DELIMITER, D.MISSING_END}
CASES: list[tuple[str, bytes, set[Defect]]] = [
    ("a line without a colon", FROM + b"X: y\r\nHello\r\n\r\nx", {D.HEADER_WITHOUT_COLON}),
    ("a line without a colon behind From", FROM + b"Hello\r\n\r\nx", {D.HEADER_WITHOUT_COLON, D.FROM_UNREADABLE}),
    ("a header that starts with a fold", b" x: y\r\nFrom: a@b.example\r\n\r\nx", {D.ODD_FIELD_NAME}),
    ("no header at all", b"\r\nhello\r\n", {D.FROM_MISSING}),
    ("nothing", b"", {D.FROM_MISSING}),
    ("a blank before the colon", FROM + b"Content-Type : text/plain\r\n\r\nx", {D.BLANK_BEFORE_COLON}),
    ("a blank in a name", FROM + b"Content Type: text/plain\r\n\r\nx", {D.ODD_FIELD_NAME}),
    ("8-bit in a name", FROM + b"Content-T\xc3\xbfpe: text/plain\r\n\r\nx", {D.ODD_FIELD_NAME}),
    ("an mbox line", b"From a@b.example Mon Jan 1 00:00:00 2024\r\n" + FROM + b"\r\nx", {D.ODD_FIELD_NAME}),
    ("a line of blanks in the header", FROM + b"X: y\r\n  \r\nZ: z\r\n\r\nx", {D.BLANK_HEADER_LINE}),
    ("a blank line before a mail's header", b"\r\n" + FROM + b"\r\nx", {D.FROM_MISSING, D.BLANK_BEFORE_HEADER}),
    ("a blank line before a part's header",
     MIXED + b"\r\n--X\r\n\r\nContent-Type: x/y\r\n" + END, {D.BLANK_BEFORE_HEADER, D.HEADER_IN_CONTENT}),
    ("two equal types", FROM + b"Content-Type: text/html\r\nContent-Type:  text/html\r\n\r\nx", set()),
    ("a header of 200 KB", FROM + b"X: y\r\n" * 34_000 + b"\r\nx", {D.HEADER_TOO_LONG}),
    ("a part that ends in its header", MIXED + b"\r\n--X\r\nContent-Type: text/plain\r\n" + END, {D.HEADER_UNFINISHED}),
    ("a mail that ends in a part's header", MIXED + b"\r\n--X\r\nX: y", {D.HEADER_UNFINISHED, D.MISSING_END}),
    ("two types", FROM + b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\nx", {D.TWO_TYPES}),
    (
        "two dispositions",
        FROM + b"Content-Disposition: inline\r\nContent-Disposition: attachment\r\n\r\nx",
        {D.TWO_DISPOSITIONS},
    ),
    (
        "two encodings",
        FROM + b"Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n\r\nx",
        {D.TWO_ENCODINGS},
    ),
    ("a type without a slash", with_type(b"pdf", b"x"), {D.BAD_TYPE}),
    ("a type with an unclosed comment", with_type(b"text/plain(;", b"x"), {D.BAD_TYPE}),
    ("a type in 8-bit", with_type(b"text/plain\xff", b"x"), {D.BAD_TYPE}),
    ("a type with blanks", with_type(b"text / plain", b"x"), {D.BAD_TYPE}),
    ("a type of 200 characters", with_type(b"text/" + b"x" * 200, b"x"), {D.BAD_TYPE}),
    ("a type without a semicolon", with_type(b"text/plain name=x.pdf", b"x"), {D.BAD_TYPE}),
    ("an empty type", with_type(b"", b"x"), {D.BAD_TYPE}),
    ("a multipart without boundary", with_type(b"multipart/mixed", b"x"), {D.BOUNDARY_MISSING}),
    ("an empty boundary", with_type(b'multipart/mixed; boundary=""', b"x"), {D.BOUNDARY_MISSING}),
    ("two boundaries", with_type(b"multipart/mixed; boundary=X; boundary=Y", PART + END), {D.BOUNDARY_ODD}),
    ("a boundary in pieces", with_type(b"multipart/mixed; boundary*0=X", PART + END), {D.BOUNDARY_ODD}),
    ("an unclosed boundary", with_type(b'multipart/mixed; boundary="X', PART + END), {D.BOUNDARY_ODD}),
    ("a boundary that ends in a blank", with_type(b'multipart/mixed; boundary="X "', PART + END), {D.BOUNDARY_ODD}),
    ("a comment in a boundary", with_type(b"multipart/mixed; boundary=X(c)", b""), {D.BOUNDARY_ODD, *EMPTY}),
    ("an escape in a boundary", with_type(b'multipart/mixed; boundary="\\X"', b""), {D.BOUNDARY_ODD, *EMPTY}),
    ("a boundary without a semicolon", with_type(b"multipart/mixed; x boundary=X", PART + END), {D.BOUNDARY_ODD}),
    ("a boundary in quotes", with_type(b'multipart/mixed; x="y; boundary=X', PART + END), {D.BOUNDARY_ODD}),
    ("a boundary with a blank", with_type(b"multipart/mixed; boundary=X Y", PART + END), {D.BOUNDARY_ODD}),
    ("200 uuencoded files", FROM + b"\r\n" + b"begin 644 x.txt\r\nM\r\n" * 200, {D.TOO_MANY_PARTS}),
    ("text that sticks to a boundary", with_type(b'multipart/mixed; boundary="X"Y', PART + END), {D.BOUNDARY_ODD}),
    (
        "a boundary of 71 characters",
        with_type(b"multipart/mixed; boundary=" + b"X" * 71, (PART + END).replace(b"--X", b"--" + b"X" * 71)),
        {D.BOUNDARY_TOO_LONG},
    ),
    (
        "a boundary used again inside",
        MIXED + b"\r\n--X\r\nContent-Type: multipart/mixed; boundary=X\r\n\r\n" + PART + END,
        {D.BOUNDARY_REUSED, D.NO_DELIMITER, D.MISSING_END},
    ),
    (
        "a boundary that begins like the outer one",
        MIXED
        + b"\r\n--X\r\nContent-Type: multipart/mixed; boundary=XY\r\n\r\n--XY\r\n\r\nhello\r\n--XY--\r\n"
        + END,
        {D.BOUNDARY_PREFIX},
    ),
    ("a line that begins like a delimiter", MIXED + b"\r\n" + PART + b"--Xtra\r\n" + END, {D.DELIMITER_ODD}),
    ("blanks after a delimiter", MIXED + b"\r\n" + PART + b"--X-- \r\n", {D.DELIMITER_PADDED}),
    ("a delimiter after the end", MIXED + b"\r\n" + PART + END + PART, {D.DELIMITER_AFTER_END, D.PART_OUTSIDE}),
    ("a second end", MIXED + b"\r\n" + PART + END + END, {D.DELIMITER_AFTER_END}),
    ("a multipart without delimiters", MIXED + b"\r\nhello\r\n", {D.NO_DELIMITER, D.MISSING_END}),
    ("a multipart that closes at once", MIXED + b"\r\n" + END, {D.NO_DELIMITER}),
    ("no end", MIXED + b"\r\n" + PART, {D.MISSING_END}),
    (
        "no inner end",
        MIXED + b"\r\n--X\r\nContent-Type: multipart/mixed; boundary=Y\r\n\r\n--Y\r\n\r\nhello\r\n" + END,
        {D.MISSING_END},
    ),
    ("a part before the first delimiter", MIXED + b"\r\nContent-Type: text/plain\r\n\r\n" + PART + END, {D.PART_OUTSIDE}),
    ("a file before the first delimiter", MIXED + b"\r\nbegin 644 x.exe\r\n" + PART + END, {D.PART_OUTSIDE}),
    ("a part after the end", MIXED + b"\r\n" + PART + END + b"Content-Type: x/y\r\n", {D.PART_OUTSIDE}),
    ("a part in a report",
     with_type(b"message/delivery-status", b"x: y\r\nContent-Type: x/y\r\n"), {D.PART_OUTSIDE, D.HEADER_IN_CONTENT}),
    ("more words in a field's name", FROM + b"X-Content-Type-Old: x/y\r\n\r\nx", {D.ODD_FIELD_NAME}),
    ("a field in a text", FROM + b"\r\nhello\r\nContent-Type: x/y\r\n", {D.HEADER_IN_CONTENT}),
    ("33 levels", nested(33), {D.TOO_DEEP}),
    ("1,000 parts", MIXED + b"\r\n" + PART * 1_000 + END, {D.TOO_MANY_PARTS, D.MANIFEST_CUT}),
    (
        "200,000 lines like delimiters",
        with_type(b"multipart/mixed; boundary=X", b"--\r\n" * 200_000 + PART + END).replace(
            b"--X\r\nContent-Type: text/plain", b"--X\r\nContent-Type: multipart/mixed; boundary=Y"
        ),
        {D.NO_DELIMITER, D.MISSING_END},
    ),
    ("a partial message", with_type(b"message/partial; id=x; number=1", b"x"), {D.PARTIAL_MESSAGE}),
    ("an external body", with_type(b"message/external-body; access-type=URL", b"x"), {D.EXTERNAL_BODY}),
    ("an encoded multipart", with_encoding(b"base64", b"", b"multipart/mixed; boundary=X"), {D.ENCODED_MULTIPART}),
    ("an encoded message", with_encoding(b"base64", b"", b"message/rfc822"), {D.ENCODED_MESSAGE}),
    ("an unknown encoding", with_encoding(b"x-rot13", b"x"), {D.UNKNOWN_ENCODING}),
    ("two encodings in one field", with_encoding(b"base64 quoted-printable", b"x"), {D.UNKNOWN_ENCODING}),
    ("a comment in an encoding", with_encoding(b"(x)base64", b"x"), {D.UNKNOWN_ENCODING}),
    ("an encoding with a semicolon", with_encoding(b"base64;", b"x"), {D.UNKNOWN_ENCODING}),
    ("a foreign character in base64", with_encoding(b"base64", b"QUJD\r\nQ*JD\r\nA"), {D.BASE64_FOREIGN}),
    ("a blank in base64", with_encoding(b"base64", b"QUJD \r\nQUJD\r\n"), {D.BASE64_FOREIGN}),
    ("a bare line end in base64", with_encoding(b"base64", b"QUJD\nQUJD\r\n"), {D.BASE64_FOREIGN, D.BARE_LINE_END}),
    ("base64 after padding", with_encoding(b"base64", b"QUI=\r\nQUI=\r\n"), {D.BASE64_AFTER_PADDING}),
    ("base64 without padding", with_encoding(b"base64", b"QUI\r\n"), {D.BASE64_PADDING}),
    ("base64 with too much padding", with_encoding(b"base64", b"QUI====\r\n"), {D.BASE64_PADDING}),
    ("an equals sign alone", with_encoding(b"quoted-printable", b"a=b\r\n"), {D.BROKEN_QUOTED_PRINTABLE}),
    ("a NUL in the body", FROM + b"\r\na\0b\r\n", {D.NUL}),
    ("a NUL in the header", FROM + b"Subject: a\0b\r\n\r\nx", {D.NUL}),
    ("a NUL in base64", with_encoding(b"base64", b"QUJD\0\r\n"), {D.NUL, D.BASE64_FOREIGN}),
    ("a bare LF", FROM + b"\r\na\nb\r\n", {D.BARE_LINE_END}),
    ("a bare CR", FROM + b"\r\na\rb\r\n", {D.BARE_LINE_END}),
    ("a bare CR and a bare LF", FROM + b"\r\na\rb\nc\r\n", {D.BARE_LINE_END}),
    ("a bare CR and a bare LF in the header", FROM + b"Subject: a\rb\nc\r\n\r\nx", {D.BARE_LINE_END}),
    ("a bare CR and LF in base64", with_encoding(b"base64", b"QU\rJD\nQUJD"), {D.BASE64_FOREIGN, D.BARE_LINE_END}),
    ("a bare LF after CRLF", FROM + b"\r\na\r\n\nb\r\n", {D.BARE_LINE_END}),
    ("a bare CR in the header", FROM + b"Subject: a\rb\r\n\r\nx", {D.BARE_LINE_END}),
    ("a bare LF outside of the parts", MIXED + b"\r\nfor old\nclients\r\n" + PART + END, {D.BARE_LINE_END}),
    ("a dot that hides a delimiter", MIXED + b"\r\n" + PART + b".--X\r\n\r\nhidden\r\n" + END, {D.LONE_DOT}),
    ("a dot at the start of the body", FROM + b"\r\n.x\r\n", {D.LONE_DOT}),
    ("a dot at the start of a field", FROM + b".Content-Type: text/html\r\n\r\nx", {D.LONE_DOT, D.ODD_FIELD_NAME}),
    ("a gap in a name", with_name(b"filename*0=a; filename*2=.exe"), {D.BAD_PARAMETER}),
    ("doubles in a name", with_name(b"filename*0=a; filename*0=b; filename*1=.exe"), {D.BAD_PARAMETER}),
    ("leading zeros in a name", with_name(b"filename*00=a.pdf"), {D.BAD_PARAMETER}),
    ("an unknown charset in a name", with_name(b"filename*=x-klingon''a.pdf"), {D.BAD_PARAMETER}),
    ("bytes outside of the charset", with_name(b"filename*=utf-8''%ff.pdf"), {D.BAD_PARAMETER}),
    ("an unclosed name", with_name(b'filename="a.pdf'), {D.BAD_PARAMETER}),
    ("a name that goes on behind its quotes", with_name(b'filename="a".exe'), {D.BAD_PARAMETER}),
    ("a name without its charset", with_name(b"filename*=a.pdf"), {D.BAD_PARAMETER}),
    ("a NUL in a name", with_name(b"filename*=utf-8''a.exe%00.pdf"), {D.ODD_NAME}),
    ("a name that turns the direction", with_name('filename="a\u202efdp.exe"'.encode()), {D.ODD_NAME}),
    ("a name of 300 characters", with_name(b'filename="' + b"a" * 300 + b'.pdf"'), {D.NAME_TOO_LONG}),
    ("30 names", with_name(b"".join(b'filename="%d.pdf"; ' % n for n in range(30))), {D.TOO_MANY_NAMES}),
    ("no From", b"Subject: x\r\n\r\nx", {D.FROM_MISSING}),
    ("an empty From", b"From: \r\n\r\nx", {D.FROM_UNREADABLE}),
    ("a name as From", b"From: Anna\r\n\r\nx", {D.FROM_UNREADABLE}),
    ("40 authors", b"From: " + b", ".join(b"a%d@b.example" % n for n in range(40)) + b"\r\n\r\nx", {D.TOO_MANY_AUTHORS}),
]  # fmt: skip


@pytest.mark.parametrize(("mail", "defects"), [pytest.param(mail, found, id=name) for name, mail, found in CASES])
def test_a_defect_is_found(mail, defects):
    assert set(scan_or_raise(mail).defects) == {defect.value for defect in defects}


def test_lines_like_delimiters_have_an_end():
    body = b"\r\n--X\r\nContent-Type: multipart/mixed; boundary=Y\r\n\r\n" + b"--\r\n" * 200_000
    assert Defect.TOO_MANY_DELIMITERS.value in scan_or_raise(MIXED + body).defects


def test_every_defect_has_a_case():
    covered = {defect for _, _, found in CASES for defect in found}
    elsewhere = {Defect.TOO_MANY_DELIMITERS, Defect.SCAN_FAILED}
    assert covered | elsewhere == set(Defect)


def test_a_bug_refuses_the_mail_instead_of_raising():
    assert scan(None).defects == (Defect.SCAN_FAILED.value,)  # type: ignore[arg-type]


def test_every_defect_says_what_it_is():
    assert all(defect.about and defect.value == str(defect) for defect in Defect)


def test_defects_stand_in_the_order_of_the_list():
    mail = b"From : x\r\n\r\n\0\n"
    assert scan(mail).defects == ("blank-before-colon", "nul", "bare-line-end", "from-unreadable")
