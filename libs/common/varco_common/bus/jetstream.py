"""JetStream over the connection: durable appends, and requests to its JSON API."""

import asyncio
import re
import secrets
from base64 import b64decode
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from varco_common.base import subjects
from varco_common.base.errors import ConflictError, PoisonError, StoreFull, TransientError
from varco_common.base.timestamps import nanoseconds
from varco_common.bus.connection import NatsConnection
from varco_common.bus.headers import headers_of, is_reflected, last_header, status, stored_headers

API_SECONDS = 5.0
CLUSTER_API_SECONDS = 2.0  # there is no reply while there is no leader: the caller asks again
NAMED_SECONDS = 3.0  # one try of an append that may be repeated: a leader that died loses what it had not replicated
_ANSWER_SECONDS = 1.0  # for a question that costs the bus nothing
_IMPOSSIBLE = 2**63 - 1  # no stream gets that far
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
    """The answer to a publish: the sequence of the message, or the error."""

    seq: int = 0
    error: JetStreamError | None = None


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The error in an answer of the API, if there is one."""

    error: JetStreamError | None = None


_publish_acks = msgspec.json.Decoder(PublishAck)
_errors = msgspec.json.Decoder(ErrorAnswer)


class ApiError(TransientError):
    """JetStream refused a request; `err_code` is its reason."""

    def __init__(self, error: JetStreamError) -> None:
        super().__init__(f"JetStream refused: {error.description} ({error.err_code})")
        self.err_code = error.err_code


class NoStream(TransientError):
    """No stream took the message, for its leader died and there is no new one yet.

    Nothing was stored.
    """


async def append(
    connection: NatsConnection, subject: str, payload: bytes, headers: bytes, timeout: float, *, named: bool = False
) -> int:
    """Stores the message and returns its sequence once it is fsynced.

    See `EventLog.append` for the errors.

    Tries again within `timeout` if nothing was stored. A message with a Nats-Msg-Id (`named`) is
    also sent again if it may have been stored, for the stream takes it once.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while True:
        remaining = deadline - loop.time()
        patience = min(remaining, NAMED_SECONDS) if named else remaining
        try:
            return _sequence(
                connection, subject, *await connection.request(subject, payload, headers=headers, timeout=patience)
            )
        except StoreFull:
            raise
        except TransientError as error:
            repeatable = named or isinstance(error, NoStream)
            if not repeatable or loop.time() + LEADER_SECONDS >= deadline:
                await _check_stores(connection, error)
                raise
        await asyncio.sleep(LEADER_SECONDS)


async def _check_stores(connection: NatsConnection, error: TransientError) -> None:
    """Raises StoreFull if the bus answers questions and stores nothing.

    So does NATS once its disk was full: it no longer answers appends at all, until a restart.
    """
    if isinstance(error, NoStream | ApiError) or not connection.up:
        return
    try:
        await api(connection, f"STREAM.INFO.{subjects.MAIL}", timeout=_ANSWER_SECONDS)
    except TransientError:
        return
    connection.store_full_since = asyncio.get_running_loop().time()
    raise StoreFull(
        "the bus answers and stores nothing: its disk is or was full. Free some room; `varco up` then restarts "
        "the bus by itself, with Docker type `docker compose restart nats`"
    ) from error


async def append_batch(
    connection: NatsConnection,
    messages: Sequence[tuple[str, bytes]],
    expected: Sequence[tuple[str, str]],
    timeout: float,
) -> int:
    """Stores all messages (subject, payload) or none, and returns the sequence of the last one.

    `expected` are header fields of the first message: the expectation that must hold. The stream
    must have `allow_atomic`.
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
        ack = _publish_acks.decode(answer)
    except msgspec.DecodeError as error:
        raise TransientError(f"JetStream's answer cannot be read: {error}") from error
    if ack.error is None and ack.seq:
        connection.store_full_since = 0.0
        return ack.seq
    reason = _error(ack.error or JetStreamError(description="no sequence in the answer"))
    if isinstance(reason, StoreFull):
        connection.store_full_since = asyncio.get_running_loop().time()
    raise reason


def _error(error: JetStreamError) -> Exception:
    if error.err_code in _WRONG_LAST_SEQUENCE:
        return ConflictError(error.description)
    if error.err_code in _STORE_FULL:
        return StoreFull(error.description)
    if error.err_code in _TOO_BIG:
        return PoisonError(error.description)
    return ApiError(error)


async def api(
    connection: NatsConnection, subject: str, request: dict[str, Any] | None = None, *, timeout: float = 0.0
) -> dict[str, Any]:
    """Sends a request to `$JS.API.<subject>`.

    Raises ApiError if JetStream refuses, TransientError if it is away.
    """
    payload = msgspec.json.encode(request) if request is not None else b""
    timeout = timeout or (CLUSTER_API_SECONDS if connection.clustered else API_SECONDS)
    headers, answer = await connection.request(f"$JS.API.{subject}", payload, timeout=timeout)
    if headers:
        raise TransientError(f"JetStream is away ({status(headers)})")
    if (answered := _errors.decode(answer)).error:
        raise ApiError(answered.error)
    content: dict[str, Any] = msgspec.json.decode(answer)
    return content


async def last_sequence(connection: NatsConnection, stream: str, subject_filter: str) -> int:
    """Asks the stream's leader for the last sequence that matches; 0 if there is none."""
    message = await last_message(connection, stream, subject_filter)
    return message.sequence if message else 0


async def leaders_last_sequence(connection: NatsConnection, subject: str, subject_filter: str, timeout: float) -> int:
    """As `last_sequence`, without the right to read what the filter matches.

    An append at `subject` that expects the impossible is refused, and the refusal tells the last
    sequence. Direct gets would do as well, were they not answered by replicas that may be behind.
    """
    headers = headers_of(
        ("Nats-Expected-Last-Subject-Sequence", str(_IMPOSSIBLE)),
        ("Nats-Expected-Last-Subject-Sequence-Subject", subject_filter),
    )
    deadline = asyncio.get_running_loop().time() + timeout
    while True:
        try:
            await append(connection, subject, b"", headers, timeout)
        except ConflictError as error:
            if match := re.search(r"wrong last sequence: (\d+)", str(error)):
                return int(match[1])
        if asyncio.get_running_loop().time() >= deadline:  # other appends are being replicated just now
            raise TransientError(f"the last sequence of {subject_filter} is not known at present")
        await asyncio.sleep(LEADER_SECONDS / 10)


class StreamMessage(NamedTuple):
    """A stored message. `at` is when it was stored, in nanoseconds since 1970.

    `pending` counts the messages behind it for its reader. `own` is False if nobody published the
    message: see `is_reflected`.
    """

    sequence: int
    at: int
    subject: str
    payload: bytes
    headers: bytes = b""
    pending: int = 0
    own: bool = True


async def last_message(connection: NatsConnection, stream: str, subject_filter: str) -> StreamMessage | None:
    """Asks the stream's leader for the last message that matches."""
    try:
        answer = await api(connection, f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject_filter})
    except ApiError as error:
        if error.err_code == NO_MESSAGE:
            return None
        raise
    message = answer["message"]
    headers, payload = b64decode(message.get("hdrs", "")), b64decode(message.get("data", ""))
    own = not is_reflected(headers)
    return StreamMessage(
        int(message["seq"]), nanoseconds(message["time"]), message["subject"], payload, headers, own=own
    )


async def direct_get(
    connection: NatsConnection, stream: str, request: dict[str, Any], timeout: float
) -> StreamMessage | None:
    """The message that the request describes, from any replica; None if that has no such message.

    The server adds its own header fields behind those that were stored.
    """
    payload = msgspec.json.encode(request)
    headers, body = await connection.request(f"$JS.API.DIRECT.GET.{stream}", payload, timeout=timeout)
    if (code := status(headers)) == 404:
        return None
    if code:
        raise TransientError(f"{stream} cannot be read at present ({code})")
    at = nanoseconds(last_header(headers, b"Nats-Time-Stamp").decode())
    subject, stored = last_header(headers, b"Nats-Subject").decode(), stored_headers(headers)
    sequence = int(last_header(headers, b"Nats-Sequence"))
    return StreamMessage(sequence, at, subject, body, stored, own=not is_reflected(stored))


async def is_gone(connection: NatsConnection, stream: str, request: dict[str, Any]) -> bool:
    """Whether the stream's leader has no such message.

    A direct get may have asked a replica that is behind.
    """
    try:
        await api(connection, f"STREAM.MSG.GET.{stream}", request)
    except ApiError as error:
        if error.err_code == NO_MESSAGE:
            return True
        raise
    return False


async def bounds(connection: NatsConnection, stream: str) -> tuple[int, int]:
    """The sequence of the first message there is, and the last sequence that was ever given."""
    state = (await api(connection, f"STREAM.INFO.{stream}"))["state"]
    return int(state["first_seq"]), int(state["last_seq"])
