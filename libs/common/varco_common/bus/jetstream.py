"""JetStream over the connection: durable appends, and its API as JSON questions."""

import asyncio
import secrets
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

import msgspec

from varco_common.base.errors import ConflictError, PoisonError, StoreFull, TransientError
from varco_common.bus.connection import NatsConnection
from varco_common.bus.headers import headers_of, status

API_SECONDS = 5.0
CLUSTER_API_SECONDS = 2.0  # nobody answers while there is no leader: then it's better asked again
NAMED_SECONDS = 3.0  # how long one try may wait: a leader that died has taken what it was told with it
LEADER_SECONDS = 0.2  # between two tries while a stream has no leader

# error codes of nats-server's server/errors.json
_WRONG_LAST_SEQUENCE = {10070, 10071, 10164}
_STORE_FULL = {10023, 10047, 10077, 10028}
_TOO_BIG = {10054, 10097}
NO_MESSAGE = 10037
SEQUENCE_NOT_FOUND = 10043
CONSUMER_NOT_FOUND = 10014


class JetStreamError(msgspec.Struct, frozen=True):
    """JetStream's error: HTTP-like `code`, exact `err_code`."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class PublishAck(msgspec.Struct, frozen=True):
    """The answer to a publish: where it is stored, or why not."""

    seq: int = 0
    error: JetStreamError | None = None
    duplicate: bool = False


class PublishRefused(msgspec.Struct, frozen=True):
    """An API answer as far as its error."""

    error: JetStreamError | None = None


_stored = msgspec.json.Decoder(PublishAck)
_refused = msgspec.json.Decoder(PublishRefused)


class ApiError(TransientError):
    """JetStream refused a question; `err_code` says why."""

    def __init__(self, fault: JetStreamError) -> None:
        super().__init__(f"JetStream refused: {fault.description} ({fault.err_code})")
        self.err_code = fault.err_code


class NoStream(TransientError):
    """No stream took a message: it has no leader, where one died and another isn't chosen yet. So nothing was stored."""


async def append(
    connection: NatsConnection, subject: str, payload: bytes, headers: bytes, timeout: float, *, named: bool = False
) -> int:
    """The sequence at which the message is stored and fsynced. See `Bus.append` for the errors.

    Tried again within `timeout` where nothing was stored; one that has a Nats-Msg-Id (`named`) also where nobody knows.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while True:
        left = deadline - loop.time()
        left = min(left, NAMED_SECONDS) if named else left
        try:
            return _sequence(
                connection, subject, *await connection.request(subject, payload, headers=headers, timeout=left)
            )
        except StoreFull:
            raise
        except TransientError as error:
            again = named or isinstance(error, NoStream)
            if not again or loop.time() + LEADER_SECONDS >= deadline:
                raise
        await asyncio.sleep(LEADER_SECONDS)


async def append_batch(
    connection: NatsConnection,
    messages: Sequence[tuple[str, bytes]],
    expected: Sequence[tuple[str, str]],
    timeout: float,
) -> int:
    """The sequence of the last of these messages, (subject, payload), all of which are stored, or none.

    `expected` are the header fields of the first one: the expectation that must hold. The stream must have `allow_atomic`.
    """
    batch = ("Nats-Batch-Id", secrets.token_hex(8))
    fields = [*expected]
    for number, (subject, payload) in enumerate(messages[:-1], 1):
        headers = headers_of(batch, ("Nats-Batch-Sequence", str(number)), *fields)
        connection.publish(subject, payload, headers=headers)
        fields = []
    subject, payload = messages[-1]
    headers = headers_of(batch, ("Nats-Batch-Sequence", str(len(messages))), *fields, ("Nats-Batch-Commit", "1"))
    return _sequence(connection, subject, *await connection.request(subject, payload, headers=headers, timeout=timeout))


def _sequence(connection: NatsConnection, subject: str, answer_headers: bytes, answer: bytes) -> int:
    if answer_headers:
        raise NoStream(f"no stream takes {subject} at present ({status(answer_headers)})")
    try:
        stored = _stored.decode(answer)
    except msgspec.DecodeError as error:
        raise TransientError(f"JetStream's answer can't be read: {error}") from error
    if stored.error is None and stored.seq:
        connection.store_full_since = 0.0
        return stored.seq
    why = _error(stored.error or JetStreamError(description="no sequence in the answer"))
    if isinstance(why, StoreFull):
        connection.store_full_since = asyncio.get_running_loop().time()
    raise why


def _error(fault: JetStreamError) -> Exception:
    if fault.err_code in _WRONG_LAST_SEQUENCE:
        return ConflictError(fault.description)
    if fault.err_code in _STORE_FULL:
        return StoreFull(fault.description)
    if fault.err_code in _TOO_BIG:
        return PoisonError(fault.description)
    return ApiError(fault)


async def api(
    connection: NatsConnection, subject: str, question: dict[str, Any] | None = None, *, timeout: float = 0.0
) -> dict[str, Any]:
    """Asks `$JS.API.<subject>`. Raises ApiError where JetStream refuses, TransientError where it is away."""
    payload = msgspec.json.encode(question) if question is not None else b""
    timeout = timeout or (CLUSTER_API_SECONDS if connection.clustered else API_SECONDS)
    headers, answer = await connection.request(f"$JS.API.{subject}", payload, timeout=timeout)
    if headers:
        raise TransientError(f"JetStream is away ({status(headers)})")
    if (refused := _refused.decode(answer)).error:
        raise ApiError(refused.error)
    found: dict[str, Any] = msgspec.json.decode(answer)
    return found


async def last_sequence(connection: NatsConnection, stream: str, subject_filter: str) -> int:
    """The sequence of the last message that matches, asked of the stream's leader; 0 where there is none."""
    return (await last_message(connection, stream, subject_filter))[0]


async def last_message(connection: NatsConnection, stream: str, subject_filter: str) -> tuple[int, bytes]:
    """Sequence and payload of the last message that matches, asked of the stream's leader; 0 and nothing: none is there."""
    try:
        found = await api(connection, f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject_filter})
    except ApiError as error:
        if error.err_code == NO_MESSAGE:
            return 0, b""
        raise
    message = found["message"]
    return int(message["seq"]), b64decode(message.get("data", ""))


async def is_gone(connection: NatsConnection, stream: str, question: dict[str, Any]) -> bool:
    """Whether the stream's leader, too, knows no such message: a direct answer may come from a replica that is behind."""
    try:
        await api(connection, f"STREAM.MSG.GET.{stream}", question)
    except ApiError as error:
        if error.err_code == NO_MESSAGE:
            return True
        raise
    return False


async def bounds(connection: NatsConnection, stream: str) -> tuple[int, int]:
    """The sequence of the first message that is there, and the last one that was ever given."""
    state = (await api(connection, f"STREAM.INFO.{stream}"))["state"]
    return int(state["first_seq"]), int(state["last_seq"])
