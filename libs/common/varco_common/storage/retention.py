"""What MAIL must keep: every service that reads from it is a keeper, and is asked before anything is erased."""

from collections.abc import Awaitable, Callable

import msgspec

from varco_common.base import subjects
from varco_common.bus import Bus

RETAINS = "keeps"


class RetentionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which of these records of one subject of MAIL do you, or may you, still need? `sequences` ascend."""

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
    """`needed` must stay. Of the others, `wiped` are to be overwritten: somebody was promised that they'd be gone."""

    needed: tuple[int, ...]
    wiped: tuple[int, ...] = ()


Needs = Callable[[RetentionQuery], Awaitable[RetentionAnswer]]

_encode = msgspec.json.Encoder().encode
_question = msgspec.json.Decoder(RetentionQuery)
_answer = msgspec.json.Decoder(RetentionAnswer)


def subject(service: str) -> str:
    """Where a keeper is asked: a service that subscribes it declares itself one."""
    return subjects.request(service, RETAINS)


async def serve(bus: Bus, service: str, needs: Needs) -> None:
    """Answers from now on. A `needs` that raises gives no answer, and then everything is kept."""

    async def told(payload: bytes) -> bytes:
        return _encode(await needs(_question.decode(payload)))

    await bus.requests.answer(subject(service), service, told)


async def ask(bus: Bus, service: str, question: RetentionQuery, timeout: float) -> RetentionAnswer:
    """Raises TransientError where there is no answer in time (seconds), msgspec.DecodeError where it can't be read."""
    return _answer.decode(await bus.requests.ask(subject(service), _encode(question), timeout))


def all_of(question: RetentionQuery) -> RetentionAnswer:
    """Everything stays."""
    return RetentionAnswer(needed=question.sequences)


def beyond(question: RetentionQuery, floor: int) -> RetentionAnswer:
    """What lies behind `floor`, up to which a consumer of this subject has finished, stays."""
    return RetentionAnswer(needed=tuple(sequence for sequence in question.sequences if sequence > floor))
