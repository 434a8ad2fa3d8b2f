"""A mailbox in one POP3 session: messages numbered from 1, read a page at a time."""

from collections.abc import AsyncIterator

from varco_archive.copy_index import CopyIndex, MaildropEntry, MaildropTotals

PAGE = 200


class Maildrop:
    """The copies at the time of login. Only this session removes any of them.

    A million copies cost little memory: one page of rows, and one bit a copy for the deletion mark.
    """

    def __init__(self, index: CopyIndex, account: str, totals: MaildropTotals) -> None:
        self.account = account
        self._index, self._totals = index, totals
        self._last_ids: dict[int, int] = {-1: 0}  # id of the last row, by page
        self.fetched = self.failed = 0  # copies that the client got, and asked for in vain
        self.is_listed = False  # a client that leaves its mail there finds so that nothing is new
        self._page: tuple[int, list[MaildropEntry]] = (-1, [])
        self.reset()

    def reset(self) -> None:
        """Removes all deletion marks."""
        self._marks = bytearray(self._totals.copies // 8 + 1)
        self._deleted = self._deleted_octets = 0

    @property
    def is_collected(self) -> bool:
        """Whether a client that says QUIT now has fetched copies, or found nothing new.

        While copies wait, only a client that had them listed knows: no probe that logs in.
        """
        looked = self.is_listed or not self._totals.copies or bool(self._deleted)
        return bool(self.fetched) or (looked and not self.failed)

    @property
    def count(self) -> int:
        """The number of copies that are not marked as deleted."""
        return self._totals.copies - self._deleted

    @property
    def octets(self) -> int:
        return self._totals.octets - self._deleted_octets

    async def entry(self, number: int) -> MaildropEntry | None:
        """The copy with that number; None when there is none or it is marked as deleted."""
        if not 1 <= number <= self._totals.copies or self._is_marked(number):
            return None
        page = await self._load((number - 1) // PAGE)
        position = (number - 1) % PAGE
        return page[position] if position < len(page) else None

    async def entries(self) -> AsyncIterator[tuple[int, MaildropEntry]]:
        """Yields number and copy for all that are not marked as deleted."""
        for number in range(1, self._totals.copies + 1):
            if entry := await self.entry(number):
                yield number, entry

    def mark_deleted(self, number: int, entry: MaildropEntry) -> None:
        """Marks a copy. QUIT removes it."""
        self._marks[number >> 3] |= 1 << (number & 7)
        self._deleted += 1
        self._deleted_octets += entry.size

    async def marked(self) -> AsyncIterator[list[str]]:
        """Yields the mail ids of marked copies, a page at a time.

        The caller may remove them meanwhile.
        """
        after = 0
        for start in range(0, self._totals.copies if self._deleted else 0, PAGE):
            page = await self._index.page(self.account, after=after, last=self._totals.last, skip=0, limit=PAGE)
            if not page:
                return
            after = page[-1].id
            yield [entry.mail for number, entry in enumerate(page, start + 1) if self._is_marked(number)]

    def _is_marked(self, number: int) -> bool:
        return bool(self._marks[number >> 3] & 1 << (number & 7))

    async def _load(self, number: int) -> list[MaildropEntry]:
        """The page of that number.

        Pages behind a known one are found by row id, others by skipping rows.
        """
        if self._page[0] == number:
            return self._page[1]
        known = number - 1 if number - 1 in self._last_ids else -1
        page = await self._index.page(
            self.account,
            after=self._last_ids[known],
            last=self._totals.last,
            skip=(number - 1 - known) * PAGE,
            limit=PAGE,
        )
        if page:
            self._last_ids[number] = page[-1].id
        self._page = number, page
        return page


async def open_maildrop(index: CopyIndex, account: str) -> Maildrop:
    return Maildrop(index, account, await index.totals(account))
