"""The processes of a stack in the order of their start."""

import asyncio
from collections.abc import Callable

from varco_cli.stack.process import ManagedProcess

NATS = "nats"  # the process of the bus


class ProcessStages:
    """Starts processes by stage, and ends them in reverse.

    `on_progress` gets a line for each step.
    """

    def __init__(self, on_progress: Callable[[str], None]) -> None:
        self.stages: list[list[ManagedProcess]] = []
        self._on_progress = on_progress

    @property
    def processes(self) -> dict[str, ManagedProcess]:
        """Returns each process by its name."""
        return {process.name: process for stage in self.stages for process in stage}

    async def start(self, *stage: ManagedProcess) -> None:
        """Starts processes that do not wait for one another. They will be ended together."""
        self._on_progress(f"starting {', '.join(process.name for process in stage)}")
        self.stages.append([*stage])
        for process in stage:
            await process.start()

    def keep_running(self, *stage: ManagedProcess) -> None:
        """The same for processes that run already. Waits for none that has died meanwhile."""
        self.stages.append([*stage])
        for process in stage:
            process.keep_running()

    async def stop(self) -> None:
        """Drains and ends everything, first the services that accept mail. Leaves no process."""
        for stage in reversed(self.stages):
            self._on_progress(f"ending {', '.join(process.name for process in stage)}")
            await asyncio.gather(*(process.stop() for process in stage))
        self.stages.clear()
