"""The figures that a vote carries so that it can be made again.

The clock, how far MAIL was counted, what was pending.
"""

from typing import NamedTuple

from varco_common.events import Meter
from varco_ratelimit.counters import WHOLE_ACCOUNT, AccountCounters
from varco_ratelimit.window_counter import METERS, NO_AMOUNTS, PLACE, Amounts

CLOCK = "clock"  # milliseconds since 1970
COUNTED = "counted"  # the sequence of the last record of MAIL that counted
FIRST_TIME = Meter.FIRST_TIME.value
_OWN = tuple(f"pending_{meter.value}" for meter in METERS)
_WHOLE = tuple(f"account_pending_{meter.value}" for meter in METERS)


class VoteInputs(NamedTuple):
    """The figures of a vote.

    `pending` and `whole` are the mails on their way, of the sender and of its account.
    """

    clock: int
    counted: int
    first_time: int
    pending: Amounts
    whole: Amounts


def figures_of(counters: AccountCounters, sender: str, amounts: Amounts, *, clock: int, counted: int) -> dict[str, int]:
    """The figures for a vote; zeros are left out."""
    figures = {CLOCK: clock, COUNTED: counted}
    if first_time := amounts[PLACE[Meter.FIRST_TIME]]:
        figures[FIRST_TIME] = first_time
    if counters.reserved:
        for names, key in ((_OWN, sender), (_WHOLE, WHOLE_ACCOUNT)):
            sums = zip(names, counters.reserved.get(key, NO_AMOUNTS), strict=True)
            figures |= {name: amount for name, amount in sums if amount}
    return figures


def vote_inputs(figures: dict[str, int]) -> VoteInputs | None:
    """None for a vote that was cast before votes had figures."""
    if CLOCK not in figures or COUNTED not in figures:
        return None
    return VoteInputs(
        figures[CLOCK], figures[COUNTED], figures.get(FIRST_TIME, 0), _amounts(figures, _OWN), _amounts(figures, _WHOLE)
    )


def _amounts(figures: dict[str, int], names: tuple[str, ...]) -> Amounts:
    first, second, third, fourth = (figures.get(name, 0) for name in names)
    return (first, second, third, fourth)
