"""A queue in which everybody has a turn, however much one of them puts in."""

import asyncio
from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")

_ORDINARY_TURN = 4  # each fourth turn is an ordinary one, so that favoured work does not starve it


class FairQueue(Generic[T]):
    """Work by key (an account, a host): keys take turns; one key's work is first in, first out.

    Favoured keys go before the others, except at each fourth turn.
    """

    def __init__(self) -> None:
        self._favoured: OrderedDict[str, deque[T]] = OrderedDict()
        self._ordinary: OrderedDict[str, deque[T]] = OrderedDict()
        self._turn = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def waiting(self, key: str) -> int:
        """How much work of this key is in the queue."""
        return len(self._favoured.get(key, ())) + len(self._ordinary.get(key, ()))

    def push(self, key: str, work: T, *, favoured: bool = False) -> None:
        lane = self._favoured if favoured else self._ordinary
        lane.setdefault(key, deque()).append(work)
        self._size += 1

    def pop(self) -> T:
        """The next work. Raises IndexError if there is none."""
        self._turn += 1
        first, second = self._favoured, self._ordinary
        if self._turn % _ORDINARY_TURN == 0:
            first, second = second, first
        lane = first or second
        if not lane:
            raise IndexError("the queue is empty")
        key, items = lane.popitem(last=False)
        work = items.popleft()
        if items:
            lane[key] = items  # behind the other keys
        self._size -= 1
        return work


class FairSemaphore:
    """As asyncio.Semaphore, but those who wait take turns by key."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._queue: FairQueue[asyncio.Future[None]] = FairQueue()
        self._taken = 0

    @property
    def locked(self) -> bool:
        """Whether the next one must wait."""
        return self._taken >= self._slots

    @property
    def in_hand(self) -> int:
        """How many have a slot or wait for one."""
        return self._taken + len(self._queue)

    def waiting(self, key: str) -> int:
        return self._queue.waiting(key)

    async def acquire(self, key: str, *, favoured: bool = False) -> None:
        if not self.locked:
            self._taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.push(key, turn, favoured=favoured)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the slot was given to it already
                self.release()
            raise

    def release(self) -> None:
        """Gives the slot to the next one that still waits."""
        while self._queue:
            turn = self._queue.pop()
            if not turn.done():
                turn.set_result(None)
                return
        self._taken -= 1
