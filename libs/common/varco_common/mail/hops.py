"""How many servers a mail came through, by the Received fields of its header (RFC 5321 6.3)."""

MAX_HOPS = 100  # a mail that came through more goes round in a circle


def count_hops(header: bytes) -> int:
    """`header` is the header of the mail without the empty line after it."""
    return (b"\r\n" + header).lower().count(b"\r\nreceived:")
