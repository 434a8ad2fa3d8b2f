"""Several hosts at once, each in its order."""

import asyncio

import pytest

from varco_banguard.keyed_executor import MAX_CONCURRENT, MAX_SEQUENCE_SPAN, KeyedExecutor


class Work:
    """Pieces that end when told to; `begun` has them in the order in which they began."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self._ends: dict[int, asyncio.Event] = {}

    def piece(self, number: int):
        self._ends[number] = asyncio.Event()

        async def work() -> None:
            self.begun.append(number)
            await self._ends[number].wait()

        return work

    def end(self, *numbers: int) -> None:
        for number in numbers:
            self._ends[number].set()


async def settled() -> None:
    """All that can go on without news has gone on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_hosts_go_side_by_side_and_each_one_in_its_order():
    work = Work()
    async with KeyedExecutor.open() as executor:
        for number, host in enumerate("aab", 1):
            await executor.submit(number, host, work.piece(number))
        await settled()
        assert work.begun == [1, 3]
        work.end(1)
        await settled()
        assert work.begun == [1, 3, 2]
        work.end(2, 3)
        await executor.idle()


@pytest.mark.parametrize(
    ("begun", "sequence"), [(1, MAX_SEQUENCE_SPAN + 1), (MAX_CONCURRENT, MAX_CONCURRENT + 1)], ids=["reach", "room"]
)
async def test_nothing_is_begun_too_far_ahead(begun: int, sequence: int):
    work = Work()
    async with KeyedExecutor.open() as executor:
        for number in range(1, begun + 1):
            await executor.submit(number, str(number), work.piece(number))
        waiting = asyncio.create_task(executor.submit(sequence, "next", work.piece(sequence)))
        await settled()
        assert not waiting.done()
        work.end(1)
        await waiting
        await settled()
        assert work.begun[-1] == sequence


async def test_work_that_fails_ends_the_block():
    async def broken() -> None:
        raise RuntimeError("a bug")

    async def at_work() -> None:
        async with KeyedExecutor.open() as executor:
            await executor.submit(1, "a", broken)
            await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="a bug"):
        await at_work()


async def test_work_ends_with_the_block():
    work = Work()
    async with KeyedExecutor.open() as executor:
        await executor.submit(1, "a", work.piece(1))
        await settled()
    assert asyncio.all_tasks() == {asyncio.current_task()}
