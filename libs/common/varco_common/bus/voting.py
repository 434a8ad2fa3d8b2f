"""Ballots over the bus: put to all voters at once, each voter's first readable vote counts."""

import contextlib
import logging
from collections.abc import Callable, Sequence

import msgspec

from varco_common.base import subjects
from varco_common.base.errors import TransientError
from varco_common.bus.connection import NatsConnection
from varco_common.bus.headers import NO_RESPONDERS, status
from varco_common.bus.reply_waiter import Collector
from varco_common.mail.ballot import Ballot, Vote, decode_ballot, decode_vote, encode

log = logging.getLogger(__name__)

DecideFunction = Callable[[Ballot], Vote | None]  # None: no vote is cast


class VoteCollector(Collector):
    """The first readable vote of each of `voters` on one ballot."""

    __slots__ = ("missing", "votes")

    def __init__(self, voters: Sequence[str]) -> None:
        super().__init__()
        self.missing = set(voters)
        self.votes: list[Vote] = []

    def reply(self, headers: bytes, payload: bytes) -> None:
        """Takes a vote. One that cannot be read, is not asked for, or comes twice is left out."""
        if headers and status(headers) == NO_RESPONDERS:
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


class Voting:
    """Puts ballots to the voters, and casts a voter's votes."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection

    async def collect(self, ballot: Ballot, voters: Sequence[str], timeout: float) -> list[Vote]:
        """Each voter's vote, as soon as all have voted, at the latest after `timeout` seconds.

        It never raises: a voter that does not answer is missing from the list, and all are missing
        while the bus is away.
        """
        collector = VoteCollector(voters)
        subject = subjects.ballot(subjects.partition(ballot.envelope.account))
        with contextlib.suppress(TransientError):  # a missing vote is never a yes
            await self._connection.collect(subject, encode(ballot), collector, timeout)
        return collector.votes

    async def serve(
        self, voter: str, decide: DecideFunction, partition: int | str = "*", holder: str = ""
    ) -> Callable[[], None]:
        """Casts the vote of `decide` on every ballot (of one partition).

        Returns a function that ends that.

        `decide` runs on the event loop: it reads memory and never waits. If it raises, no vote is
        cast and the error is logged. One of a voter's processes gets each ballot. Each `holder`
        gets it as well, so that a hanging process takes nothing from another one; the holders
        decide among themselves which of them votes.
        """

        def vote_on(_subject: bytes, reply: bytes, _headers: bytes, payload: bytes) -> None:
            try:
                if vote := decide(decode_ballot(payload)):
                    self._connection.publish(reply.decode(), encode(vote))
            except Exception:
                log.exception("no vote cast on a ballot")

        group = f"{voter}.{holder}" if holder else voter
        subscription = self._connection.subscribe(subjects.ballot(partition), vote_on, group)
        await self._connection.settled()
        return lambda: self._connection.unsubscribe(subscription)
