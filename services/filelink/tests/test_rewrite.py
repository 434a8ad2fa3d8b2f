"""The notice in a text of any encoding: the text stays, and the notice ends it."""

import binascii
import time
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from varco_common.events import Language
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.notice_texts import Notice
from varco_common.mime import Part, scan
from varco_filelink.conversion.html_end import end_of_html
from varco_filelink.conversion.notice_insertion import (
    holds,
    notice_part,
    reencoded_with_notice,
    with_notice,
    without_content_fields,
)
from varco_filelink.conversion.notice_text import (
    LinkedFile,
    display_name,
    format_size,
    link_notice,
    spell_duration,
)
from varco_filelink.conversion.transfer_decoding import decoder

from . import layouts

URL = "https://files.acme.example/files/e1eb3665a1a0766ea65616b6210cfd538c4950f8.pdf"
YEAR = timedelta(days=365)
ENGLISH = AccountTexts()
BOTH = AccountTexts(languages=(Language.EN, Language.IT))
BLOCK = link_notice([LinkedFile("esempio.pdf", 43_960_000, URL)], BOTH, YEAR, datetime(2027, 11, 24, tzinfo=UTC))


def part(kind: str = "text/plain", encoding: str = "7bit", charset: str = "utf-8") -> Part:
    return Part(path="1", media_type=kind, start=0, end=0, size=0, encoding=encoding, charset=charset)


def undone(content: bytes, encoding: str) -> bytes:
    decoding = decoder(encoding)
    return decoding.feed(content) + decoding.end()


def test_the_notice_is_the_providers_with_the_date():
    assert BLOCK.text == (
        "[esempio.pdf] (43.96 MB) moved to:\n\n"
        f"{URL}\n\n"
        "The file will be DELETED after twelve months (24 November 2027).\n"
        "Il file verrà ELIMINATO dopo dodici mesi (24 novembre 2027)."
    )


@given(st.binary(max_size=400), st.data())
@settings(max_examples=300, deadline=None)
def test_base64_of_any_lines_in_any_pieces_is_decoded(plain, data):
    digits, wire = binascii.b2a_base64(plain, newline=False), b""
    while digits:
        width = data.draw(st.sampled_from([76, 76, 76, 60, 5, 3]))
        wire, digits = wire + digits[:width] + b"\r\n", digits[width:]
    decoding, decoded = decoder("base64"), b""
    while wire:
        size = data.draw(st.integers(1, 200))
        decoded, wire = decoded + decoding.feed(wire[:size]), wire[size:]
    assert decoded + decoding.end() == plain


def test_an_italian_account_has_no_english_words():
    italian = link_notice(
        [LinkedFile("esempio.pdf", 7_000_000, URL)],
        AccountTexts(languages=(Language.IT,)),
        YEAR,
        datetime(2027, 11, 24, tzinfo=UTC),
    )
    assert italian.text == (
        f"[esempio.pdf] (7 MB) spostato in:\n\n{URL}\n\nIl file verrà ELIMINATO dopo dodici mesi (24 novembre 2027)."
    )
    assert "moved" not in italian.html
    assert 'lang="en"' not in italian.html


def test_the_words_and_the_day_are_the_accounts():
    own = {
        Notice.LINK_FILE: {Language.EN: " <{size}> {name}: "},
        Notice.LINK: {Language.EN: "Until {date}.\n  Call & ask. \n.\nFrom here"},
    }
    texts = AccountTexts(time_zone="Pacific/Auckland", notices=own)
    name = 'an "offer" {date}.pdf'
    block = link_notice([LinkedFile(name, 1_000_000, URL)], texts, YEAR, datetime(2027, 11, 24, 23, tzinfo=UTC))
    assert block.text == f"<1 MB> {name}:\n\n{URL}\n\nUntil 25 November 2027.\nCall & ask.\n.\nFrom here"
    assert f"&lt;1 MB&gt; <bdi>{name}</bdi>:" in block.html
    assert "Call &amp; ask." in block.html
    for encoding in ("7bit", "base64", "quoted-printable"):
        written = with_notice(layouts.encoded(b"Hello\r\n", encoding), part(encoding=encoding), block)
        assert written is not None
        assert b"\r\n.\r\n" not in written


def test_an_english_account_has_one_line_and_several_files_have_one_block():
    two = [LinkedFile("a.pdf", 1_000_000, URL), LinkedFile("b.pdf", 2_500_000, URL)]
    text = link_notice(two, ENGLISH, timedelta(days=30), datetime(2027, 1, 1, tzinfo=UTC)).text
    assert text.count("moved to:") == 2
    assert text.endswith("\n\nThe files will be DELETED after 30 days (1 January 2027).")


@pytest.mark.parametrize(
    ("keep", "words"),
    [(YEAR, "dodici mesi"), (YEAR / 12, "un mese"), (timedelta(days=7), "sette giorni"), (2 * YEAR, "24 mesi")],
)
def test_a_time_is_said_in_words(keep, words):
    assert spell_duration(Language.IT, keep) == words


@pytest.mark.parametrize("encoding", ["7bit", "8bit", "quoted-printable", "base64"])
@pytest.mark.parametrize("content", ["", "ciao", "ciao\r\n", "perché\r\n\r\n", "x" * 200, "soft =\r\n"])
def test_a_text_keeps_what_it_had_and_ends_with_the_notice(encoding, content):
    plain = content.encode() if encoding != "7bit" else content.encode("ascii", "replace")
    before = (
        layouts.encoded(plain, encoding).removesuffix(b"\r\n")
        if encoding == "base64"
        else layouts.encoded(plain, encoding)
    )
    after = with_notice(before, part(encoding=encoding), BLOCK, eight_bit=True)
    assert after is not None
    if encoding != "base64":
        assert after.startswith(before)
    shown = undone(after, encoding).decode()
    assert shown.startswith(plain.decode())
    words = BLOCK.ascii_words if encoding == "7bit" else BLOCK.text
    assert shown.endswith(words.replace("\n", "\r\n"))
    assert not content or "\r\n\r\n[esempio.pdf]" in shown


@pytest.mark.parametrize("width", [76, 72, 60, 4])
@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\n\r\n"])
@pytest.mark.parametrize(("kind", "close"), [("text/plain", b""), ("text/html", b"</body></html>")])
@pytest.mark.parametrize("size", [0, 1, 56, 57, 58, 171, 1_000])
def test_base64_keeps_the_lines_before_the_notice_their_length_and_its_end(width, end, kind, close, size):
    plain = b"x" * size + close
    lines = [
        binascii.b2a_base64(plain[at : at + width // 4 * 3], newline=False)
        for at in range(0, len(plain), width // 4 * 3)
    ]
    before = b"\r\n".join(lines) + end
    after = with_notice(before, part(kind, "base64"), BLOCK)
    assert after is not None
    now = after.removesuffix(end).split(b"\r\n")
    even = len(lines) > 1
    assert {len(line) for line in now[:-1]} == {width if even else 76}
    kept = size // (width // 4 * 3) if even else 0
    assert now[:kept] == lines[:kept]
    assert undone(after, "base64").startswith(b"x" * size)
    assert undone(after, "base64").endswith(close)


@pytest.mark.parametrize("before", [b"eHh4\r\neHh4eHh4\r\neHh4", b"eHh4eHh4eH\r\nh4", b"eHh4" * 100 + b"\r\neHh4"])
def test_base64_of_uneven_or_overlong_lines_is_written_anew(before):
    after = with_notice(before, part(encoding="base64"), BLOCK)
    assert after is not None
    assert max(map(len, after.split(b"\r\n"))) == 76
    assert undone(after, "base64").startswith(undone(before, "base64"))


@pytest.mark.parametrize("encoding", ["8bit", "quoted-printable", "base64"])
@pytest.mark.parametrize(
    "content",
    [
        "<html><body>perché</body></html>",
        "<HTML><BODY>x</BODY ></HTML>\r\n",
        "<p>no end",
        "<html>x</html>",
        "<body>" + "lungo " * 60 + "</body>",
        "<body>one</body> quoted <body>two</body>",
    ],
)
def test_html_has_the_notice_before_its_end_and_loses_nothing(encoding, content):
    before = layouts.encoded(content.encode(), encoding)
    after = with_notice(before, part("text/html", encoding), BLOCK, eight_bit=True)
    assert after is not None
    shown = undone(after, encoding).decode()
    at = shown.index('<div dir="ltr"')
    end = shown.index("</div>") + len("</div>")
    assert (shown[:at].rstrip("\r\n") + shown[end:].lstrip("\r\n")).rstrip() == content.rstrip()
    low = shown.lower()
    assert "</body" not in low or low.rindex("</body") > at
    assert all(len(line) <= 998 for line in after.split(b"\r\n"))


HIDING = [
    "<script>document.write('</body>')</script>",
    '<SCRIPT type=a>x = "</body>"</SCRIPT >',
    "<style>/* </body> */</style>",
    "<!-- </body> -->",
    "<!--[if mso]></body><![endif]-->",
    "<textarea></body></textarea>",
    "<title></body></title>",
    '<a title="</body>">x</a>',
    "<a title='>' rel = '</body>'>x</a>",
]


@pytest.mark.parametrize("encoding", ["8bit", "quoted-printable", "base64"])
@pytest.mark.parametrize("hiding", HIDING)
@pytest.mark.parametrize("layout", ["<body>{}<p>x</p></body></html>", "<body><p>x</p></body>{}</html>", "<p>x</p>{}"])
def test_the_notice_never_lands_where_no_text_is_shown(encoding, hiding, layout):
    content = layout.format(hiding)
    after = with_notice(layouts.encoded(content.encode(), encoding), part("text/html", encoding), BLOCK)
    assert after is not None
    shown = undone(after, encoding).decode()
    notice = shown[shown.index('<div dir="ltr"') : shown.index("</div>") + len("</div>")]
    assert hiding in shown
    before = shown[: shown.index(notice)].rstrip("\r\n")
    assert content.startswith(before)
    assert before.count("</body>") == (hiding.count("</body>") if hiding in before else 0)


@pytest.mark.parametrize("encoding", ["8bit", "quoted-printable", "base64"])
@pytest.mark.parametrize("end", ["<script>x = 1;", "<!-- x", "<style>", "<a title="])
def test_a_document_that_ends_where_no_text_is_shown_gets_no_notice_there(encoding, end):
    content = f"<body>x{end}".encode()
    assert with_notice(layouts.encoded(content, encoding), part("text/html", encoding), BLOCK) is None


@pytest.mark.parametrize(
    "piece", ["<!--", "<script>", "<a b='", "<a ", '="', "</body>", "<", "= ", "<title><", "<!-->"]
)
def test_the_end_of_a_document_is_found_in_linear_time(piece):
    def seconds(count: int) -> float:
        content, begun = (piece * count).encode(), time.process_time()
        end_of_html(content)
        return time.process_time() - begun

    assert min(seconds(200_000) for _ in range(2)) < 1.0  # a quadratic search takes minutes


def test_a_closing_tag_that_is_broken_over_lines_is_found():
    before = b"<body>x</bo=\r\ndy></ht=\r\nml>"
    after = with_notice(before, part("text/html", "quoted-printable"), BLOCK)
    assert after is not None
    assert undone(after, "quoted-printable").endswith(b"</div></body></html>")
    assert after.replace(b"=\r\n", b"").startswith(b"<body>x<div")


def test_a_charset_that_isnt_like_ascii_is_left_alone():
    for charset in ("utf-16", "utf-7", "x-unknown", "zlib", "hex", "base64", "rot13", "idna", "punycode", "undefined"):
        assert with_notice(b"x", part(charset=charset), BLOCK) is None


def test_a_name_stays_within_the_texts_charset_and_seven_bits():
    named = link_notice([LinkedFile("perché 你.pdf", 1, URL)], ENGLISH, YEAR, datetime(2027, 1, 1, tzinfo=UTC))
    latin = with_notice(b"x", part(encoding="quoted-printable", charset="iso-8859-1"), named)
    assert latin is not None
    assert b"[perche' ?.pdf]" in undone(latin, "quoted-printable")
    utf8 = with_notice(b"x", part(encoding="quoted-printable"), named)
    assert utf8 is not None
    assert "[perché 你.pdf]".encode() in undone(utf8, "quoted-printable")
    for eight_bit, seen in ((True, "[perché 你.pdf]"), (False, "[perche' ?.pdf]")):
        done = with_notice(b"x", part(encoding="8bit"), named, eight_bit=eight_bit)
        assert done is not None
        assert seen.encode() in done
    html = with_notice(b"<body></body>", part("text/html"), named)
    assert html is not None
    assert html.isascii()
    assert b"perch&#233; &#20320;.pdf" in html


NAMED = link_notice([LinkedFile("perché 你 Москва.pdf", 1, URL)], ENGLISH, YEAR, datetime(2027, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("encoding", "charset", "text"),
    [
        ("7bit", "us-ascii", "Hello\r\n.dot = \t\r\n"),
        ("7bit", "iso-2022-jp", "\u65e5\u672c\r\n"),
        ("8bit", "iso-8859-1", "perché\r\n"),
        ("8bit", "iso-8859-1", "“cp1252” €\r\n"),  # as Outlook labels it
        ("quoted-printable", "iso-8859-15", "€ " + "x" * 200 + "\r\n"),
        ("base64", "cp1252", "perché\r\n"),
        ("base64", "koi8-r", "Привет"),
    ],
)
def test_a_text_that_cannot_hold_a_name_is_written_in_utf_8(encoding, charset, text):
    plain = text.encode("cp1252" if "cp1252" in text else charset)
    header = (
        f"Content-Type: text/plain; charset={charset};\r\n format=flowed; delsp=yes\r\nContent-Language: it\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\nX-Own:\r\n folded\r\n"
    ).encode()
    before = part(encoding=encoding, charset=charset)
    assert not holds(before, NAMED, eight_bit=True)
    wire = reencoded_with_notice(header, layouts.encoded(plain, encoding), before, NAMED)
    assert wire is not None
    assert wire.isascii()
    assert max(map(len, wire.split(b"\r\n"))) <= 76
    assert b"\n" not in wire.replace(b"\r\n", b"")
    message = message_from_bytes(wire.replace(b"\r\n..", b"\r\n."), policy=default)
    assert (message.get_content_charset(), message["Content-Language"], message["X-Own"]) == ("utf-8", "it", " folded")
    assert message["Content-Type"].params["format"] == "flowed"
    assert message["Content-Type"].params["delsp"] == "yes"
    shown = message.get_payload(decode=True).decode()
    assert shown.startswith(text)
    assert shown.endswith(NAMED.text.replace("\n", "\r\n"))


@pytest.mark.parametrize("content", [b"\xff\xfe", b"-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\nx\r\n"])
def test_a_text_in_doubt_or_signed_keeps_its_encoding(content):
    assert reencoded_with_notice(b"", content, part(encoding="8bit", charset="utf-8"), NAMED) is None


def test_a_text_that_holds_the_names_stays_as_it_is():
    assert holds(part(encoding="quoted-printable"), NAMED, eight_bit=False)
    assert holds(part(encoding="8bit"), NAMED, eight_bit=True)
    assert holds(part("text/html", "7bit", "us-ascii"), NAMED, eight_bit=False)
    assert holds(part(encoding="7bit", charset="us-ascii"), BLOCK, eight_bit=False)
    assert not holds(part(encoding="8bit"), NAMED, eight_bit=False)


def test_no_line_of_the_notice_is_taken_for_flowed_or_quoted():
    assert all(line == line.strip() and not line.startswith((">", "From ", ".")) for line in BLOCK.text.split("\n"))


def test_a_name_that_is_markup_is_shown_as_text():
    html = link_notice([LinkedFile("<script>&.pdf", 1, URL)], ENGLISH, YEAR, datetime(2027, 1, 1, tzinfo=UTC)).html
    assert "<bdi>&lt;script&gt;&amp;.pdf</bdi>" in html


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (("C:\\dir\\a b.pdf",), "a b.pdf"),
        (("x\u202efdp.exe",), "xfdp.exe"),
        ((), "attachment.pdf"),
        (("..",), "attachment.pdf"),
        (("a" * 400 + ".pdf",), "a" * 140 + "....pdf"),
    ],
)
def test_a_name_is_shown_without_what_deceives(names, shown):
    assert display_name(names, "pdf") == shown


def test_sizes_are_written_as_people_write_them():
    sizes = (43_960_000, 7_000_000, 2_500_000, 350_400, 999, 10_000_000_000)
    assert [format_size(size) for size in sizes] == ["43.96 MB", "7 MB", "2.5 MB", "350 kB", "1 kB", "10000 MB"]


@pytest.mark.parametrize(
    ("encoding", "charset", "words"),
    [
        ("quoted-printable", "utf-8", "verrà".encode()),
        ("base64", "iso-8859-1", "verrà".encode("latin-1")),
        ("base64", "iso-8859-2", b"verra'"),
        ("7bit", "utf-8", b"verra'"),
        ("8bit", "utf-8", b"verra'"),
    ],
)
def test_words_have_all_letters_where_the_part_can_carry_them(encoding, charset, words):
    written = with_notice(b"", part(encoding=encoding, charset=charset), BLOCK)
    assert words in undone(written, encoding)
    assert holds(part(encoding=encoding, charset=charset), BLOCK, eight_bit=False)
    assert "verr&#224;" in BLOCK.html


def test_a_root_header_loses_its_content_fields_with_their_folds():
    header = b"From: a\r\nContent-Type: application/pdf;\r\n\tname=x\r\nSubject: y\r\n z\r\nCONTENT-Disposition: a\r\n"
    assert without_content_fields(header) == b"From: a\r\nSubject: y\r\n z\r\n"


def test_an_own_part_is_a_part():
    wire = layouts.mail(
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n' + notice_part(BLOCK) + b"\r\n--b--\r\n"
    )
    manifest = scan(wire)
    assert not manifest.defects
    [text_part] = manifest.parts
    assert undone(wire[text_part.start : text_part.end], text_part.encoding).decode() == BLOCK.text.replace(
        "\n", "\r\n"
    )


@given(st.binary(max_size=3_000), st.sampled_from(["base64", "quoted-printable"]), st.integers(1, 700))
@settings(max_examples=150, deadline=None)
def test_a_file_is_decoded_the_same_whatever_the_pieces(content, encoding, step):
    wire = (
        layouts.encoded(content, "base64") if encoding == "base64" else binascii.b2a_qp(content).replace(b"\n", b"\r\n")
    )
    wire = wire.replace(b"\r\n.", b"\r\n..")
    wire = b"." + wire if wire.startswith(b".") else wire
    decoding = decoder(encoding)
    pieces = [decoding.feed(wire[at : at + step]) for at in range(0, len(wire), step)]
    unstuffed = wire.replace(b"\r\n..", b"\r\n.")
    unstuffed = unstuffed[1:] if unstuffed.startswith(b"..") else unstuffed
    want = content if encoding == "base64" else binascii.a2b_qp(unstuffed)
    assert b"".join(pieces) + decoding.end() == want


PIECES = (
    *("<", "</", "</body", "</body>", "<!--", "-->", "<script>", "</script", "<a =", '="', "='", "<title/", "<b"),
    *(
        "=\r\n",
        "= \r\n",
        "=3C",
        "=3C=\r\n",
        "=3C/body",
        "<=\r\n/",
        "\r\n",
        "\n",
        " ",
        "=",
        ".",
        "\r\n.",
        "a",
        "A==\r\n",
    ),
    *("\xe9", "From ", "-----BEGIN PGP SIGNED MESSAGE-----"),
)


def cpu_seconds(content: bytes, part_: Part) -> float:
    begun = time.process_time()
    with_notice(content, part_, BLOCK, eight_bit=True)
    if part_.media_type == "text/plain":
        reencoded_with_notice(b"Content-Type: text/plain\r\n", content, part_, BLOCK)
    return time.process_time() - begun


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.sampled_from(PIECES), max_size=2).map("".join),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map("".join),
    st.sampled_from(("text/html", "text/plain")),
    st.sampled_from(("7bit", "8bit", "quoted-printable", "base64")),
)
def test_the_time_for_a_notice_grows_linearly(beginning, piece, kind, encoding):
    """Also for a text that was made to be slow; MAX_TEXT is 4 MiB."""
    raw, where = piece.encode("latin-1"), part(kind, encoding, "iso-8859-1")
    short, long = (beginning.encode("latin-1") + raw * (size // len(raw)) for size in (64_000, 256_000))
    if cpu_seconds(long, where) < 0.1:  # 0.02 where it is linear, 10 and more where it is not
        return
    least = min(cpu_seconds(short, where) for _ in range(3))
    assert min(cpu_seconds(long, where) for _ in range(3)) < 8 * least + 0.02
