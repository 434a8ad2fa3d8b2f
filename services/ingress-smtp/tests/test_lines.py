import re

from hypothesis import given
from hypothesis import strategies as st

from varco_ingress_smtp.lines import bare_ends

BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@given(
    st.lists(
        st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b".", b"\x0b", b"\x0c", b"\x1c", b"\x85", b"\xe2\x80\xa8", b"\0"])
    )
)
def test_a_bare_line_end_is_found_wherever_it_stands_and_a_pair_never_is_one(pieces: list[bytes]) -> None:
    chunk = b"".join(pieces)
    assert bare_ends(chunk) == bool(BARE.search(chunk))
