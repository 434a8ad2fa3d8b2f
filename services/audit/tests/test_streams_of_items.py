"""Items are taken together without a loss, and several streams are read as one."""

import asyncio

import pytest

from varco_audit.api import ndjson
from varco_audit.batches import Batches, BatchLimits
from varco_audit.merging import merged
from varco_common.base.errors import TransientError


async def numbers(*items: int, then: BaseException | None = None, closed: list | None = None):
    try:
        for item in items:
            yield item
        if then:
            raise then
        await asyncio.Event().wait()
    finally:
        if closed is not None:
            closed.append(True)


async def taken(limits: BatchLimits, *items: int) -> list[list[int]]:
    batches = []
    async with Batches.of(numbers(*items), limits, lambda item: item) as source:
        async for batch in source:
            batches.append(batch)
            if sum(map(len, batches)) == len(items):
                break
    return batches


async def test_no_batch_has_more_items_than_it_may_and_none_is_lost():
    batches = await taken(BatchLimits(items=3, size=1_000, linger=0.01), *range(1, 11))
    assert [item for batch in batches for item in batch] == list(range(1, 11))
    assert max(map(len, batches)) <= 3


async def test_a_batch_ends_with_the_item_that_makes_it_too_large():
    batches = await taken(BatchLimits(items=100, size=50, linger=0.01), 10, 60, 10, 10)
    assert all(sum(batch[:-1]) < 50 for batch in batches)


async def test_two_batches_of_many_items_are_apart_by_the_linger():
    loop = asyncio.get_running_loop()
    began = loop.time()
    batches = await taken(BatchLimits(items=100, size=10, linger=0.05), *[1] * 40)
    assert len(batches) > 2
    assert loop.time() - began >= 0.05 * (len(batches) - 2) * 0.9


async def test_a_lone_item_delays_the_next_one_by_a_tenth_of_the_linger():
    async with asyncio.timeout(60):
        batches = await taken(BatchLimits(items=100, size=1, linger=100), 1, 1)
    assert len(batches) == 2


async def test_a_full_batch_waits_for_no_linger():
    async with asyncio.timeout(60):
        batches = await taken(BatchLimits(items=2, size=1_000, linger=3_600), 1, 2, 3, 4, 5, 6)
    assert len(batches) >= 3


async def test_an_error_of_the_source_ends_the_block_and_closes_the_source():
    closed = []

    async def read_all() -> None:
        async with Batches.of(numbers(1, then=TransientError("away"), closed=closed), BatchLimits(), int) as batches:
            async for _ in batches:
                pass

    with pytest.raises(TransientError):
        await read_all()
    assert closed


async def ending(*items: int):
    for item in items:
        yield item


async def test_merged_streams_yield_every_item_and_end_when_all_have_ended():
    assert sorted([item async for item in merged(ending(1, 2), ending(3), ending())]) == [1, 2, 3]


async def test_an_error_of_one_stream_is_raised_and_closes_the_others():
    closed = []
    with pytest.raises(TransientError, match="away"):
        async for _ in merged(numbers(1, closed=closed), numbers(then=TransientError("away"))):
            pass
    assert closed


async def test_who_leaves_merged_streams_closes_them():
    closed = []
    items = merged(numbers(1, closed=closed), numbers(2, closed=closed))
    await anext(items)
    await items.aclose()
    assert len(closed) == 2


async def lines(*items: tuple[bytes, bool]):
    for item in items:
        yield item


async def test_lines_come_together_unless_the_next_one_may_take_a_while():
    chunks = ndjson.in_chunks(lines((b"1\n", False), (b"2\n", True), (b"3\n", False)))
    assert [chunk async for chunk in chunks] == [b"1\n2\n", b"3\n"]


async def test_a_chunk_of_lines_is_bounded():
    chunks = [chunk async for chunk in ndjson.in_chunks(lines(*[(b"x" * 30_000, False)] * 10))]
    assert b"".join(chunks) == b"x" * 300_000
    assert max(map(len, chunks)) < 100_000
