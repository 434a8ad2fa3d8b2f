"""A search that skips windows without a rare byte finds what a plain search finds."""

from hypothesis import given
from hypothesis import strategies as st

from varco_common.mime import byte_search
from varco_common.mime.byte_search import count_marked, find_marked

_TEXT = st.lists(st.sampled_from([b"\r\n", b".", b"\r", b"\n", b"A" * 7, b"\r\n.\r\n"]), max_size=30).map(b"".join)
_WINDOW = byte_search._WINDOW


@given(_TEXT, _TEXT, st.integers(-20, 20), st.integers(0, 9), st.integers(0, 9))
def test_it_finds_and_counts_the_same_at_the_edges_of_windows(head, tail, shift, before, behind):
    data = head + b"A" * (_WINDOW + shift) + tail + b"\r\n.\r\n" * (shift > 9)
    start, end = before, len(data) - behind
    assert find_marked(data, b"\r\n.\r\n", 2, start, end) == data.find(b"\r\n.\r\n", start, end)
    assert find_marked(bytearray(data), b"\r\n.", 2, start, end) == data.find(b"\r\n.", start, end)
    assert count_marked(data, b"\r\n.", 2) == data.count(b"\r\n.")
