"""Dots that are doubled on the wire are counted, wherever a piece ends."""

from hypothesis import given
from hypothesis import strategies as st

from varco_common.mail.wire_form import DotCounter, count_dots


@given(st.lists(st.text(alphabet=".a \r", max_size=4), max_size=12), st.integers(1, 9))
def test_as_many_dots_are_counted_as_wire_form_adds(lines, step):
    plain = "".join(f"{line}\r\n" for line in lines).encode()
    wire = (b"\r\n" + plain).replace(b"\r\n.", b"\r\n..")[2:]
    counter = DotCounter()
    for at in range(0, len(wire), step):
        counter.feed(wire[at : at + step])
    assert len(wire) - len(plain) == counter.dots == count_dots(wire)
