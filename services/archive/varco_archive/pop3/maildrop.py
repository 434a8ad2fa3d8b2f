"""A mailbox as one POP3 session sees it: numbers from 1, a page of rows at a time, deletions kept as a bit each."""

from collections.abc import AsyncIterator

from varco_archive.copy_index import CopyIndex, MaildropEntry, MaildropTotals

PAGE = 200


class Maildrop:
    """What was there when the session began. Nobody else may remove from it while it is open."""

    def __init__(self, index: CopyIndex, account: str, drop: MaildropTotals) -> None:
        self.account = account
        self._index, self._drop = index, drop
        self._deleted = bytearray(drop.copies // 8 + 1)
        self._ends: dict[int, int] = {-1: 0}  # the last row's id of each page that was seen
        self._page: tuple[int, list[MaildropEntry]] = (-1, [])
        self.deleted = 0
        self._deleted_octets = 0

    @property
    def count(self) -> int:
        """Copies that aren't marked as deleted."""
        return self._drop.copies - self.deleted

    @property
    def octets(self) -> int:
        return self._drop.octets - self._deleted_octets

    def is_deleted(self, number: int) -> bool:
        return bool(self._deleted[number >> 3] & 1 << (number & 7))

    async def entry(self, number: int) -> MaildropEntry | None:
        """The copy of that number; None where there is none, or it is marked as deleted."""
        if not 1 <= number <= self._drop.copies or self.is_deleted(number):
            return None
        page = await self._load((number - 1) // PAGE)
        place = (number - 1) % PAGE
        return page[place] if place < len(page) else None

    async def entries(self) -> AsyncIterator[tuple[int, MaildropEntry]]:
        """Numbers and copies that aren't marked as deleted."""
        for number in range(1, self._drop.copies + 1):
            if found := await self.entry(number):
                yield number, found

    def delete(self, number: int, entry: MaildropEntry) -> None:
        """Marks it; it is removed when the session says QUIT."""
        self._deleted[number >> 3] |= 1 << (number & 7)
        self.deleted += 1
        self._deleted_octets += entry.size

    def reset(self) -> None:
        """Nothing is marked any more."""
        self._deleted = bytearray(len(self._deleted))
        self.deleted = self._deleted_octets = 0

    async def marked(self) -> AsyncIterator[list[str]]:
        """The mails whose copies are marked as deleted, a page at a time; what is removed meanwhile moves no number."""
        count = self._drop.copies
        after = 0
        for start in range(0, count if self.deleted else 0, PAGE):
            page = await self._index.page(self.account, after=after, last=self._drop.last, skip=0, limit=PAGE)
            if not page:
                return
            after = page[-1].id
            yield [entry.mail for place, entry in enumerate(page) if self.is_deleted(start + place + 1)]

    async def _load(self, number: int) -> list[MaildropEntry]:
        if self._page[0] == number:
            return self._page[1]
        known = number - 1 if number - 1 in self._ends else -1
        skip = (number - 1 - known) * PAGE
        page = await self._index.page(
            self.account, after=self._ends[known], last=self._drop.last, skip=skip, limit=PAGE
        )
        if page:
            self._ends[number] = page[-1].id
        self._page = number, page
        return page


async def open_maildrop(index: CopyIndex, account: str) -> Maildrop:
    return Maildrop(index, account, await index.drop(account))
