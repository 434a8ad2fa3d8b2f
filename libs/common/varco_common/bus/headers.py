"""Header blocks of NATS messages, `NATS/1.0` line included: read and written."""

NO_RESPONDERS = 503  # nobody subscribes to the subject of a request


def header(headers: bytes, name: bytes) -> bytes:
    """The first value of a header field, empty if there is none.

    The name must have the same case.
    """
    at = headers.find(b"\r\n" + name + b":")
    if at < 0:
        return b""
    start = at + len(name) + 3
    return headers[start : headers.find(b"\r\n", start)].strip()


def last_header(headers: bytes, name: bytes) -> bytes:
    """The last value of a header field: the server's own, behind those that were stored."""
    at = headers.rfind(b"\r\n" + name + b":")
    return b"" if at < 0 else header(headers[at:], name)


def stored_headers(headers: bytes) -> bytes:
    """The header block of a direct get as it was stored: without the fields that the server adds.

    Empty if the message has no headers.
    """
    own = headers[: headers.rfind(b"\r\nNats-Stream:")]
    return own + b"\r\n\r\n" if b"\r\n" in own else b""


def is_reflected(headers: bytes) -> bool:
    """Whether a stored message is an answer of the server and no publisher's own message.

    NATS checks what a user publishes, but not the reply subject of its requests. A user that may
    read EVENTS could name a subject of a stream that it may not write, and the server's answer
    would be stored there.
    """
    return b"\r\nNats-Stream:" in headers


def status(headers: bytes) -> int:
    """The status code on the first header line, such as 503; 0 if there is none."""
    code = headers[9:12]
    return int(code) if code.isdigit() else 0


def headers_of(*fields: tuple[str, str]) -> bytes:
    """Makes a header block of ASCII fields. Values must not hold CR or LF."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return b"NATS/1.0\r\n" + lines.encode("ascii") + b"\r\n"
