"""Which records of MAIL are still needed.

Every service that reads from MAIL is asked before anything is erased.
"""

from collections.abc import Awaitable, Callable

import msgspec

from varco_common.base import subjects
from varco_common.base.json_decoding import decode_json
from varco_common.bus import Bus


class RetentionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which of these records of one subject of MAIL does a service still need?

    `sequences` ascend.
    """

    subject: str
    sequences: tuple[int, ...]

    @property
    def kind(self) -> str:
        return self.subject.split(".", 2)[1]

    @property
    def account(self) -> str:
        """The account as a subject token."""
        return self.subject.split(".", 2)[2]


class RetentionAnswer(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="keeps.v1"):
    """`needed` must stay.

    Of the others, `wiped` are overwritten, since their deletion was promised.
    """

    needed: tuple[int, ...]
    wiped: tuple[int, ...] = ()


NeedsCallback = Callable[[RetentionQuery], Awaitable[RetentionAnswer]]

_encode = msgspec.json.Encoder().encode
_question = msgspec.json.Decoder(RetentionQuery)
_answer = msgspec.json.Decoder(RetentionAnswer)


def subject(service: str) -> str:
    """The subject of the query to a service. A service that subscribes it will be asked."""
    return subjects.retention_query(service)


async def serve(bus: Bus, service: str, needs: NeedsCallback) -> None:
    """Answers queries from now on. If `needs` raises there is no answer, and nothing is erased."""

    async def answer(payload: bytes) -> bytes:
        return _encode(await needs(decode_json(_question, payload)))

    await bus.requests.answer(subject(service), service, answer)


async def ask(bus: Bus, service: str, question: RetentionQuery, timeout: float) -> RetentionAnswer:
    """Raises TransientError without an answer within `timeout` seconds, or msgspec.DecodeError."""
    return decode_json(_answer, await bus.requests.ask(subject(service), _encode(question), timeout))


def all_of(question: RetentionQuery) -> RetentionAnswer:
    """The answer that all records are needed."""
    return RetentionAnswer(needed=question.sequences)


def beyond(question: RetentionQuery, floor: int) -> RetentionAnswer:
    """The answer of a consumer that has finished everything up to `floor`."""
    return RetentionAnswer(needed=tuple(sequence for sequence in question.sequences if sequence > floor))
