"""What every account has sent.

A mail counts as a reservation from its vote on, and as sent from its record in MAIL on.

No I/O. Times are milliseconds since 1970.
"""

from collections import deque
from collections.abc import Iterable, Iterator

import msgspec
from msgspec.structs import replace

from varco_ratelimit.quota_windows import LONGEST
from varco_ratelimit.window_counter import NO_AMOUNTS, Amounts, WindowCounter

WHOLE_ACCOUNT = ""  # in the place of a sender; the null sender is `<>`
WHOLE_ACCOUNT_MERGE = 60_000  # milliseconds: the total of an account is counted by the minute, to save memory
_FORGET_STEP = 500  # senders that are looked at before other work may go on


class Reservation(msgspec.Struct, frozen=True):
    """A mail that ratelimit accepted, and that is not in MAIL yet. `at` is the time of the vote."""

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
        """The counter of a sender or of WHOLE_ACCOUNT.

        An empty one for a sender that sent nothing.
        """
        return self.whole if sender == WHOLE_ACCOUNT else self.senders.get(sender) or _EMPTY

    def reserve(self, sender: str, amounts: Amounts, sign: int) -> None:
        """`sign` 1 adds a reservation, -1 removes it."""
        for key in (sender, WHOLE_ACCOUNT):
            sums = self.reserved.setdefault(key, [*NO_AMOUNTS])
            for place, amount in enumerate(amounts):
                sums[place] += sign * amount
            if not sums[0]:
                del self.reserved[key]

    def pending(self, sender: str, place: int) -> int:
        sums = self.reserved.get(sender)
        return sums[place] if sums else 0


_EMPTY = WindowCounter()


class QuotaCounters:
    """All accounts.

    A reservation ends with the record of its mail, its refusal, or after `lapse` milliseconds.
    """

    def __init__(self, lapse: int) -> None:
        self.accounts: dict[str, AccountCounters] = {}
        self.sequence = 0
        self._lapse = lapse
        self._reservations: dict[str, Reservation] = {}
        self._by_age: deque[tuple[int, str]] = deque()
        self._ended: tuple[set[str], set[str]] = (set(), set())  # mails whose reservation ended lately, in two halves
        self._half_began = 0

    def account_counters(self, account: str) -> AccountCounters:
        counters = self.accounts.get(account)
        if counters is None:
            self.accounts[account] = counters = AccountCounters()
        return counters

    def reserve(self, reservation: Reservation) -> None:
        """Counts a mail from now on, unless it is reserved, refused, or in MAIL already."""
        mail = reservation.mail
        if mail in self._reservations or any(mail in ended for ended in self._ended):
            return
        self._reservations[mail] = reservation
        self._by_age.append((reservation.at, mail))
        self.account_counters(reservation.account).reserve(reservation.sender, reservation.amounts, 1)

    def restore(self, reservations: Iterable[Reservation], now: int) -> list[Reservation]:
        """Takes over the reservations of an earlier process. Returns those that have not lapsed."""
        standing = sorted((r for r in reservations if r.at >= now - self._lapse), key=lambda r: r.at)
        for reservation in standing:
            self.reserve(reservation)
        return standing

    def holds(self, mail: str) -> bool:
        return mail in self._reservations

    def release(self, mail: str) -> Reservation | None:
        """The mail was refused: it uses nothing."""
        reservation = self._reservations.pop(mail, None)
        if reservation:
            self.accounts[reservation.account].reserve(reservation.sender, reservation.amounts, -1)
        self._ended[0].add(mail)
        return reservation

    def commit(self, sequence: int, mail: Reservation) -> None:
        """Counts the record of a mail, which MAIL stored at `mail.at`.

        A record that comes again counts once.
        """
        if sequence <= self.sequence:
            return
        self.sequence = sequence
        self.release(mail.mail)
        account = self.account_counters(mail.account)
        counter = account.senders.get(mail.sender)
        if counter is None:
            account.senders[mail.sender] = counter = WindowCounter()
        counter.add(mail.at, sequence, mail.amounts)
        account.whole.add(mail.at, sequence, mail.amounts, merge=WHOLE_ACCOUNT_MERGE)

    def restore_mail(self, sequence: int, mail: Reservation, now: int) -> None:
        """As `commit`, for a mail from the database.

        An old one can't be reserved any more: its id is not remembered.
        """
        self.commit(sequence, mail if mail.at > now - 2 * self._lapse else replace(mail, mail=""))

    def lapse(self, now: int) -> list[Reservation]:
        """Ends reservations whose mail was neither stored nor refused.

        Ingress died between the vote and the append.
        """
        if now - self._half_began > self._lapse:
            self._ended, self._half_began = (set(), self._ended[0]), now
        lapsed = []
        while self._by_age and self._by_age[0][0] < now - self._lapse:
            if reservation := self._reservations.get(self._by_age.popleft()[1]):
                self.release(reservation.mail)
                lapsed.append(reservation)
        return lapsed

    def reservations(self) -> list[Reservation]:
        """Those that stand now."""
        return [*self._reservations.values()]

    def forget(self, now: int) -> Iterator[None]:
        """Drops the mails that count in no window any more, in small steps.

        The caller may do other work between the steps.
        """
        for name in [*self.accounts]:
            account = self.accounts[name]
            account.whole.forget(now - LONGEST)
            for number, sender in enumerate([*account.senders], 1):
                if account.senders[sender].forget(now - LONGEST):
                    del account.senders[sender]
                if number % _FORGET_STEP == 0:
                    yield
            if not account.senders and not account.reserved:
                del self.accounts[name]
            yield
