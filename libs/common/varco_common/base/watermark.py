"""A position that moves on, and the coroutines that wait until it has come as far as theirs."""

import asyncio


class Watermark:
    """`value` is a sequence: everything up to it is done."""

    def __init__(self, value: int = 0) -> None:
        self.value = value
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def advance(self, value: int) -> None:
        self.value = value
        for awaited, waiter in self._waiting:
            if awaited <= value and not waiter.done():
                waiter.set_result(None)

    async def reached(self, value: int) -> None:
        """Returns once everything up to `value` is done."""
        if self.value >= value:
            return
        waiter = (value, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        try:
            await waiter[1]
        finally:
            self._waiting.remove(waiter)
