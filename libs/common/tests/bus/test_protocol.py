"""The protocol's parser: however the bytes arrive, the same messages come out."""

import asyncio
import logging
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_common.bus.headers import header, headers_of, status
from varco_common.bus.protocol import Handler, NatsProtocol

Message = tuple[bytes, bytes, bytes, bytes]

payloads = st.one_of(st.binary(max_size=60), st.sampled_from([b"\r\n", b"MSG a 1 3\r\n", b"PING\r\n", b""]))
subjects = st.sampled_from([b"a", b"mail.accepted.acme", b"_INBOX.x.1"])
fields = st.sampled_from([b"", headers_of(("Varco-Record", "{}")), b"NATS/1.0 503\r\n\r\n"])
messages = st.lists(st.tuples(subjects, st.sampled_from([b"", b"reply.to"]), fields, payloads), max_size=6)


class Listener:
    """Stores the messages that it gets."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.handlers: dict[bytes, Handler] = {b"1": lambda *message: self.messages.append(message)}

    def info_received(self, protocol: NatsProtocol, info: bytes) -> None: ...
    def pong_received(self) -> None: ...
    def error_received(self, text: str) -> None: ...
    def connection_lost(self, protocol: NatsProtocol, error: Exception | None) -> None: ...


def sent(message: Message) -> bytes:
    subject, reply, headers, payload = message
    words = [subject, b"1", *([reply] if reply else [])]
    if headers:
        words = [b"HMSG", *words, b"%d" % len(headers), b"%d" % (len(headers) + len(payload))]
    else:
        words = [b"MSG", *words, b"%d" % len(payload)]
    return b" ".join(words) + b"\r\n" + headers + payload + b"\r\n"


async def parsed(pieces: list[bytes]) -> list[Message]:
    listener = Listener()
    protocol = NatsProtocol(listener)
    for piece in pieces:
        protocol.data_received(piece)
    return listener.messages


@given(messages, st.data())
def test_messages_come_out_the_same_however_the_bytes_are_cut(wanted: list[Message], data: st.DataObject):
    stream = b"PONG\r\n".join([b"", *map(sent, wanted), b"PING\r\n"])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in pairwise([0, *cuts, len(stream)])]
    assert asyncio.run(parsed(pieces)) == wanted


async def test_a_handler_that_raises_costs_its_own_message_alone(caplog: pytest.LogCaptureFixture):
    listener = Listener()
    keep = listener.handlers[b"1"]

    def picky(subject: bytes, reply: bytes, headers: bytes, payload: bytes) -> None:
        if payload == b"bad":
            raise ValueError(payload)
        keep(subject, reply, headers, payload)

    listener.handlers[b"1"] = picky
    protocol = NatsProtocol(listener)
    with caplog.at_level(logging.ERROR):
        protocol.data_received(b"".join(sent((b"a", b"", b"", payload)) for payload in (b"one", b"bad", b"two")))
    assert [payload for *_, payload in listener.messages] == [b"one", b"two"]
    assert "was not handled" in caplog.text


def test_header_fields_and_status_are_read():
    block = headers_of(("Nats-Msg-Id", "x"), ("Varco-Record", "{}"))
    assert (header(block, b"Varco-Record"), header(block, b"Record"), status(block)) == (b"{}", b"", 0)
    assert status(b"NATS/1.0 404 No Messages\r\n\r\n") == 404
