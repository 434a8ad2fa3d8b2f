"""What a vote of ratelimit carries so that it can be cast again: the clock, how far MAIL was counted, what was pending."""

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
    """A vote's figures, read back. `pending` is of the sender, `whole` of its account: mails on their way."""

    clock: int
    counted: int
    first_time: int
    pending: Amounts
    whole: Amounts


def figures_of(ledger: AccountCounters, sender: str, amounts: Amounts, *, clock: int, counted: int) -> dict[str, int]:
    """As they go into the vote; zeros are left out."""
    figures = {CLOCK: clock, COUNTED: counted}
    if first_time := amounts[PLACE[Meter.FIRST_TIME]]:
        figures[FIRST_TIME] = first_time
    if ledger.reserved:
        for names, who in ((_OWN, sender), (_WHOLE, WHOLE_ACCOUNT)):
            sums = zip(names, ledger.reserved.get(who, NO_AMOUNTS), strict=True)
            figures |= {name: amount for name, amount in sums if amount}
    return figures


def vote_inputs(figures: dict[str, int]) -> VoteInputs | None:
    """None where the vote is older than its figures."""
    if CLOCK not in figures or COUNTED not in figures:
        return None
    return VoteInputs(
        figures[CLOCK], figures[COUNTED], figures.get(FIRST_TIME, 0), _amounts(figures, _OWN), _amounts(figures, _WHOLE)
    )


def _amounts(figures: dict[str, int], names: tuple[str, ...]) -> Amounts:
    first, second, third, fourth = (figures.get(name, 0) for name in names)
    return (first, second, third, fourth)
