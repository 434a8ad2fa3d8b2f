import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from varco_ingress_smtp.smtp.line_endings import MAX_LINE, LineLengthCheck, has_bare_line_end, irregular_pieces

BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@given(
    st.lists(
        st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b".", b"\x0b", b"\x0c", b"\x1c", b"\x85", b"\xe2\x80\xa8", b"\0"])
    )
)
def test_a_bare_line_end_is_found_wherever_it_stands_and_a_pair_never_is_one(pieces: list[bytes]) -> None:
    chunk = b"".join(pieces)
    assert has_bare_line_end(chunk) == bool(BARE.search(chunk))


ODD_BITS = st.sampled_from([b"\r", b"\n", b"\r\n", b"\n\r", b"x", b"", b"x" * 1_100, b"\r\n.\r\n", b"\n\n"])


@given(
    st.integers(0, 1_010),
    st.binary(max_size=200),
    st.binary(max_size=200),
    st.lists(st.tuples(st.floats(0, 1), ODD_BITS), max_size=3),
)
def test_lines_of_one_width_hide_neither_a_bare_line_end_nor_a_long_line(
    width: int, head: bytes, tail: bytes, odd: list[tuple[float, bytes]]
) -> None:
    chunk = head + b"\r\n" + (b"A" * width + b"\r\n") * (40_000 // (width + 2)) + tail
    for place, bits in odd:
        at = int(place * len(chunk))
        chunk = chunk[:at] + bits + chunk[at + len(bits) :]
    chunk += b"\r\n" if chunk.endswith(b"\r") else b""
    pieces = irregular_pieces(chunk)
    assert any(map(has_bare_line_end, pieces)) == bool(BARE.search(chunk))
    if BARE.search(chunk):
        return
    whole, parts = LineLengthCheck(), LineLengthCheck()
    whole.feed(chunk)
    for piece in pieces:
        parts.feed(piece)
    ends = [-2, *(found.start() for found in re.finditer(b"\r\n", chunk)), len(chunk)]
    assert whole.too_long == parts.too_long
    if max(b - a for a, b in pairwise(ends)) <= MAX_LINE:
        assert not parts.too_long


def test_base64_is_left_out_but_for_what_stands_around_it() -> None:
    chunk = b"Subject: x\r\n\r\nhello\r\n" + (b"A" * 76 + b"\r\n") * 5_000 + b"--edge--\r\n"
    assert sum(map(len, irregular_pieces(chunk))) < 200
