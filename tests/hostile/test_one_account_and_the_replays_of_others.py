"""One account's replays cannot keep those of the others from their turn."""

import asyncio

import pytest

from varco_audit.replay.replay_turns import MAX_WAITING, ReplayTurns
from varco_common.base.errors import ConflictError
from varco_common.testing.waiting import eventually


class Replays:
    """Replays that note when they begin, and end when they are told to."""

    def __init__(self) -> None:
        self.turns, self.began, self.end = ReplayTurns(), [], asyncio.Event()

    def start(self, key: str, name: str, seconds: float = 60.0) -> asyncio.Task[None]:
        async def run() -> None:
            async with self.turns.turn(key, seconds):
                self.began.append(name)
                await self.end.wait()

        return asyncio.create_task(run())


async def test_accounts_take_turns():
    replays = Replays()
    tasks = [replays.start("greedy", f"greedy {n}") for n in range(3)]
    tasks.append(replays.start("other", "other"))
    await asyncio.sleep(0)
    assert replays.began == ["greedy 0"]
    replays.end.set()
    await asyncio.gather(*tasks)
    assert replays.began == ["greedy 0", "greedy 1", "other", "greedy 2"]


async def test_an_account_has_few_replays_that_wait():
    replays = Replays()
    tasks = [replays.start("greedy", f"greedy {n}") for n in range(MAX_WAITING + 1)]
    await asyncio.sleep(0)
    with pytest.raises(ConflictError):
        await replays.start("greedy", "one more")
    replays.end.set()
    await asyncio.gather(*tasks)


async def test_a_replay_that_never_ends_loses_its_turn():
    replays = Replays()
    stuck = replays.start("greedy", "stuck", seconds=0.01)
    other = replays.start("other", "other")
    await eventually(lambda: "other" in replays.began)
    third = replays.start("third", "third")
    await asyncio.sleep(0)
    stuck.cancel()  # its turn was over already: the other one's is not
    await asyncio.sleep(0.01)
    assert "third" not in replays.began
    replays.end.set()
    await asyncio.gather(other, third)


async def test_a_replay_that_is_given_up_leaves_the_queue():
    replays = Replays()
    first, second = replays.start("a", "first"), replays.start("b", "second")
    await asyncio.sleep(0)
    second.cancel()
    replays.end.set()
    await first
    await replays.start("c", "third")
    assert replays.began == ["first", "third"]
