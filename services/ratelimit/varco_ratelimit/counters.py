"""What was sent, and what is about to be: mails count from their record in MAIL, and before it as reservations. No I/O."""

from collections import deque
from collections.abc import Iterable, Iterator

import msgspec
from msgspec.structs import replace

from varco_ratelimit.quota_windows import LONGEST
from varco_ratelimit.window_counter import NO_AMOUNTS, Amounts, WindowCounter

WHOLE_ACCOUNT = ""  # stands for the whole account where a sender could; the null sender is `<>`
WHOLE_ACCOUNT_MERGE = 60_000  # an account's total is kept by the minute


class Reservation(msgspec.Struct, frozen=True):
    """A mail that may pass, as far as ratelimit is concerned, and isn't in MAIL yet. `at` in milliseconds since 1970."""

    mail: str
    account: str
    sender: str
    amounts: Amounts
    at: int


class AccountCounters:
    """One account: what its senders have sent, and what is reserved for them."""

    __slots__ = ("reserved", "senders", "whole")

    def __init__(self) -> None:
        self.senders: dict[str, WindowCounter] = {}
        self.whole = WindowCounter()
        self.reserved: dict[str, list[int]] = {}

    def of(self, sender: str) -> WindowCounter:
        """The sender's, or the whole account's; an empty one where nothing was sent."""
        return self.whole if sender == WHOLE_ACCOUNT else self.senders.get(sender) or _EMPTY

    def reserve(self, sender: str, amounts: Amounts, sign: int) -> None:
        for who in (sender, WHOLE_ACCOUNT):
            sums = self.reserved.setdefault(who, [*NO_AMOUNTS])
            for place, amount in enumerate(amounts):
                sums[place] += sign * amount
            if not sums[0]:
                del self.reserved[who]

    def pending(self, sender: str, place: int) -> int:
        sums = self.reserved.get(sender)
        return sums[place] if sums else 0


_EMPTY = WindowCounter()


class QuotaCounters:
    """All accounts. A reservation ends with its mail's record, its refusal, or after `lapse` milliseconds."""

    def __init__(self, lapse: int) -> None:
        self.ledgers: dict[str, AccountCounters] = {}
        self.sequence = 0
        self._lapse = lapse
        self._reservations: dict[str, Reservation] = {}
        self._order: deque[tuple[int, str]] = deque()
        self._ended: tuple[set[str], set[str]] = (set(), set())  # mails whose reservation ended lately
        self._turned = 0

    def ledger(self, account: str) -> AccountCounters:
        ledger = self.ledgers.get(account)
        if ledger is None:
            self.ledgers[account] = ledger = AccountCounters()
        return ledger

    def reserve(self, one: Reservation) -> None:
        """Counts from now on. A mail that is in MAIL already, was refused, or is reserved, isn't counted again."""
        if one.mail in self._reservations or any(one.mail in ended for ended in self._ended):
            return
        self._reservations[one.mail] = one
        self._order.append((one.at, one.mail))
        self.ledger(one.account).reserve(one.sender, one.amounts, 1)

    def restore(self, found: Iterable[Reservation], now: int) -> list[Reservation]:
        """Takes in what an earlier process reserved, as far as it hasn't lapsed; what that was."""
        standing = sorted((one for one in found if one.at >= now - self._lapse), key=lambda one: one.at)
        for one in standing:
            self.reserve(one)
        return standing

    def holds(self, mail: str) -> bool:
        return mail in self._reservations

    def release(self, mail: str) -> Reservation | None:
        """The mail was refused: it costs nothing."""
        one = self._reservations.pop(mail, None)
        if one:
            self.ledgers[one.account].reserve(one.sender, one.amounts, -1)
        self._ended[0].add(mail)
        return one

    def commit(self, sequence: int, mail: Reservation) -> None:
        """The mail's record passed in MAIL, stored at `mail.at`; each counts once, however often it comes."""
        if sequence <= self.sequence:
            return
        self.sequence = sequence
        self.release(mail.mail)
        ledger = self.ledger(mail.account)
        usage = ledger.senders.get(mail.sender)
        if usage is None:
            ledger.senders[mail.sender] = usage = WindowCounter()
        usage.add(mail.at, sequence, mail.amounts)
        ledger.whole.add(mail.at, sequence, mail.amounts, merge=WHOLE_ACCOUNT_MERGE)

    def recall(self, sequence: int, mail: Reservation, now: int) -> None:
        """As `commit`, of what an earlier process counted. Ids of old mails aren't kept: nothing is reserved for them."""
        self.commit(sequence, mail if mail.at > now - 2 * self._lapse else replace(mail, mail=""))

    def lapse(self, now: int) -> list[Reservation]:
        """Ends reservations whose mail neither came nor was refused: whoever asked for them has died."""
        if now - self._turned > self._lapse:
            self._ended, self._turned = (set(), self._ended[0]), now
        lapsed = []
        while self._order and self._order[0][0] < now - self._lapse:
            if one := self._reservations.get(self._order.popleft()[1]):
                self.release(one.mail)
                lapsed.append(one)
        return lapsed

    def reservations(self, accounts: Iterable[str] | None = None) -> list[Reservation]:
        """Those that stand now."""
        wanted = None if accounts is None else {*accounts}
        return [one for one in self._reservations.values() if wanted is None or one.account in wanted]

    def forget(self, now: int) -> Iterator[None]:
        """Drops what counts in no window any more, in small steps: go on with other work between them."""
        for account in [*self.ledgers]:
            ledger = self.ledgers[account]
            ledger.whole.forget(now - LONGEST)
            for done, sender in enumerate([*ledger.senders]):
                if ledger.senders[sender].forget(now - LONGEST):
                    del ledger.senders[sender]
                if done % 500 == 499:
                    yield
            if not ledger.senders and not ledger.reserved:
                del self.ledgers[account]
            yield
