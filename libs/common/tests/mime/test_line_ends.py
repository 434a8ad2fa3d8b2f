"""Every bare CR or LF is found, wherever it stands."""

from hypothesis import given, settings
from hypothesis import strategies as st

from varco_common.mime.line_ends import is_only_crlf

UNIFORM = st.builds(
    lambda width, lines, last: (b"A" * width + b"\r\n") * lines + last,
    st.integers(0, 5),
    st.integers(0, 6),
    st.sampled_from([b"", b"A", b"A\r\n", b"\r\n", b"\r", b"\n", b"=\r\n"]),
)


@given(UNIFORM | st.lists(st.sampled_from([b"A", b"\r", b"\n", b"\r\n", b"="])).map(b"".join), st.data())
@settings(deadline=None)  # the machine may be busy
def test_only_pairs_are_pairs(piece, data):
    at = data.draw(st.integers(0, len(piece)))
    piece = piece[:at] + data.draw(st.sampled_from([b"", b"A", b"\r", b"\n", b"\n\r"])) + piece[at:]
    odd = len(piece) - piece.count(b"A")
    assert is_only_crlf(piece, odd) == (piece.replace(b"\r\n", b"").count(b"A") == len(piece.replace(b"\r\n", b"")))
