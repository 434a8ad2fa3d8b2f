"""The first attempts of one account's mails: which go on now, and which must not begin any more."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from cachetools import LRUCache

_MAX_AHEAD = 20_000  # mails dropped before they came to hand
_MAX_PAST = 1_000  # the others: mail that comes again, whose end EVENTS tells as well


class _Dropped(NamedTuple):
    sequence: int
    recipients: set[str]


class FirstAttempts:
    """Knows mails by their id: a restored MAIL has other sequences."""

    def __init__(self) -> None:
        self._newest = 0  # the highest sequence in MAIL that came to hand
        self._in_hand: set[str] = set()
        self._tried: Counter[str] = Counter()  # attempts of each mail that go on
        self._set_aside: dict[str, asyncio.Event] = {}  # set when it is decided whether they are dropped
        self._ahead: LRUCache[str, _Dropped] = LRUCache(_MAX_AHEAD)
        self._past: LRUCache[str, set[str]] = LRUCache(_MAX_PAST)

    @contextmanager
    def in_hand(self, mail: str, sequence: int) -> Iterator[None]:
        """Around all that is done for a mail. Without an error, it does not come again."""
        self._newest = max(self._newest, sequence)
        self._in_hand.add(mail)
        try:
            yield
            self._ahead.pop(mail, None)
            self._past.pop(mail, None)
        finally:
            self._in_hand.discard(mail)

    @contextmanager
    def attempt(self, mail: str) -> Iterator[None]:
        """Around each attempt: what came of it is not known yet."""
        self._tried[mail] += 1
        try:
            yield
        finally:
            self._tried[mail] -= 1
            if not self._tried[mail]:
                del self._tried[mail]

    def handed_out(self, sequence: int) -> None:
        """The bus has handed out MAIL up to here: what is dropped before it had its first attempt.

        A process that has just started does not know it, and keeps each drop in mind.
        """
        self._newest = max(self._newest, sequence)
        for mail in [
            m for m, dropped in self._ahead.items() if dropped.sequence <= sequence and m not in self._in_hand
        ]:
            self._past[mail] = self._ahead.pop(mail).recipients

    def is_tried_now(self, mail: str) -> bool:
        return mail in self._tried

    @contextmanager
    def set_aside(self, mails: Iterable[str]) -> Iterator[list[str]]:
        """No attempt begins inside the block, nor after one that is cancelled, as a process ends.

        Leaves out mails whose attempt goes on, or that are set aside already.
        """
        decided = asyncio.Event()
        waiting = [mail for mail in mails if not self.is_tried_now(mail) and mail not in self._set_aside]
        self._set_aside |= dict.fromkeys(waiting, decided)
        try:
            yield waiting
        except asyncio.CancelledError:  # EVENTS may have the drops; the next process knows
            raise
        except BaseException:
            self._end_set_aside(waiting, decided)
            raise
        self._end_set_aside(waiting, decided)

    def _end_set_aside(self, mails: Iterable[str], decided: asyncio.Event) -> None:
        for mail in mails:
            del self._set_aside[mail]
        decided.set()

    def is_set_aside(self, mail: str) -> bool:
        return mail in self._set_aside

    async def decided(self, mail: str) -> None:
        """Returns once the mail is not set aside."""
        while set_aside := self._set_aside.get(mail):
            await set_aside.wait()

    def drop(self, mail: str, sequence: int, recipients: Iterable[str]) -> None:
        """No attempt begins for these recipients. Most dropped mail had its first one long ago."""
        if mail in self._in_hand or sequence > self._newest:
            self._ahead.setdefault(mail, _Dropped(sequence, set())).recipients.update(recipients)
        else:
            self._past.setdefault(mail, set()).update(recipients)

    def not_dropped(self, mail: str, recipients: tuple[str, ...]) -> tuple[str, ...]:
        ahead = self._ahead.get(mail)
        dropped = (ahead.recipients if ahead else set()) | self._past.get(mail, set())
        return tuple(recipient for recipient in recipients if recipient not in dropped)

    @property
    def room(self) -> int:
        """How many more mails may be dropped before they come to hand: none is forgotten."""
        return max(0, _MAX_AHEAD - len(self._ahead))

    @property
    def dropped(self) -> int:
        """How many mails are kept in mind as dropped."""
        return len(self._ahead) + len(self._past)
