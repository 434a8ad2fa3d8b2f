"""banguard's vote on a mail: that of a banned host or a stopped login is refused. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from varco_common.events.ban_table import BanTable
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.ballot import Ballot, Vote, accept
from varco_common.mail.replies import Reply

VOTER = "banguard"
# the figures in a vote; the clock in microseconds since 1970
CLOCK, HOSTS, GATE, TEXTS = "clock", "hosts", "gate", "texts"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Position(NamedTuple):
    """The sequences of the last events of hosts and settings in the ban table, and of texts.

    `texts` is 0 in votes from before accounts could word the answer to a stopped login.
    """

    hosts: int
    settings: int
    texts: int = 0


def decide(ballot: Ballot, table: BanTable, now: datetime, texts: AccountTexts | None) -> Vote:
    """The vote. It does not matter by which listener the mail came in.

    `texts` are the account's; None where they are not known.
    """
    ban = table.banned(ballot.envelope.host, now)
    if ban is None:
        objection = table.stopped(ballot.envelope, VOTER, now, texts)
        return replace(objection, sequence=table.sequence) if objection else accept(VOTER, table.sequence)
    until = f"until {ban.until:%Y-%m-%dT%H:%M:%SZ}" if ban.until else "for ever"
    return Vote(
        voter=VOTER, reply=Reply.HOST_BANNED, reason=f"{ban.network} is banned {until}", sequence=table.sequence
    )


def position_figures(position: Position, now: datetime) -> dict[str, int]:
    """The figures that a vote carries, so that a replay can make the same decision again."""
    clock = (now - _EPOCH) // timedelta(microseconds=1)
    return {CLOCK: clock, HOSTS: position.hosts, GATE: position.settings, TEXTS: position.texts}


def recorded_position(figures: Mapping[str, int]) -> tuple[Position, datetime] | None:
    """The position and the time of a vote; None if it is from before votes had these figures."""
    if not {CLOCK, HOSTS, GATE} <= figures.keys():
        return None
    return Position(figures[HOSTS], figures[GATE], figures.get(TEXTS, 0)), _EPOCH + timedelta(
        microseconds=figures[CLOCK]
    )
