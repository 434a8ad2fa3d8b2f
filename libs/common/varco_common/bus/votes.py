"""Ballots over the bus: put to all voters at once, each voter's first readable vote counts."""

import asyncio
import logging
from collections.abc import Callable, Sequence

import msgspec

from varco_common import subjects
from varco_common.bus.connection import Connection
from varco_common.bus.wire import status
from varco_common.errors import TransientError
from varco_common.votes import Ballot, Vote, decode_ballot, decode_vote, encode

log = logging.getLogger(__name__)

Decider = Callable[[Ballot], Vote | None]  # None: no vote is cast


class Count:
    """The votes on one ballot, until all have voted, the time is over, or the bus is gone."""

    __slots__ = ("done", "missing", "votes")

    def __init__(self, voters: Sequence[str], done: "asyncio.Future[None]") -> None:
        self.missing = set(voters)
        self.votes: list[Vote] = []
        self.done = done

    def got(self, headers: bytes, payload: bytes) -> None:
        """Takes a vote; what can't be read, comes from a stranger, or comes twice is left out."""
        if headers and status(headers) == 503:  # no voter at all is there
            return self.lost()
        try:
            vote = decode_vote(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.error("a vote can't be read: %s", error)  # noqa: TRY400 - the bytes are at fault, not this code
            return None
        if vote.voter not in self.missing:
            return None
        self.missing.remove(vote.voter)
        self.votes.append(vote)
        return None if self.missing else self.lost()

    def lost(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def collect(link: Connection, ballot: Ballot, voters: Sequence[str], timeout: float) -> list[Vote]:
    loop = asyncio.get_running_loop()
    count = Count(voters, loop.create_future())
    token = link.wait_at(count)
    timer = loop.call_later(timeout, count.lost)
    try:
        link.publish(subjects.ballot(subjects.partition(ballot.envelope.account)), encode(ballot), token=token)
        await count.done
    except TransientError:
        pass  # silence; it is never a yes
    finally:
        timer.cancel()
        link.leave(token)
    return count.votes


def serve(link: Connection, group: str, decide: Decider, partition: int | str) -> Callable[[], None]:
    """Answers ballots at once, on the event loop: `decide` looks into memory, and never waits. Returns what ends it."""

    def put(_subject: bytes, reply: bytes, _headers: bytes, payload: bytes) -> None:
        try:
            if vote := decide(decode_ballot(payload)):
                link.publish(reply.decode(), encode(vote))
        except Exception:
            log.exception("no vote cast on a ballot")

    sid = link.subscribe(subjects.ballot(partition), put, group)
    return lambda: link.unsubscribe(sid)
