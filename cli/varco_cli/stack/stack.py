"""The embedded stack: starts and ends the bus and every installed service.

async with Stack(home, ports=Ports.free()) as stack:
    await stack.kill("relay")
    await stack.wait_ready()
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from varco_cli.stack import bus, forking
from varco_cli.stack.disk_room import DiskRoomWatcher
from varco_cli.stack.forking import ForkedServices, ForkServer
from varco_cli.stack.handover import Handover, RunningProcess
from varco_cli.stack.installed import ServiceDescription, installed_services
from varco_cli.stack.port_assignment import assign_api_ports, check_ports
from varco_cli.stack.process import ManagedProcess, Program, end_stale
from varco_cli.stack.process_stages import NATS, ProcessStages
from varco_cli.stack.programs import Programs
from varco_cli.stack.settings import Ports, StackSettings
from varco_cli.stack.state_directory import StateDirectory
from varco_cli.stack.state_file import write_state
from varco_cli.stack.variable_names import check_names
from varco_common.base import log
from varco_common.base.settings import load
from varco_common.base.tasks import ended
from varco_common.bus.bus_settings import BusSettings

if TYPE_CHECKING:
    import httpx

START_SECONDS = 60.0

_log = log.get(__name__)


class Stack:
    """All processes of one VARCO_HOME. `on_progress` gets a line for each step.

    A program that starts a stack may give `ports` and `extra_environment` (variables for every
    service). Otherwise the environment decides. Raises AlreadyRunning, BrokenSetting,
    DamagedFile or FailedStart, and then leaves nothing running.
    """

    def __init__(
        self,
        home: Path | None = None,
        *,
        ports: Ports | None = None,
        processes: str = "",
        extra_environment: Mapping[str, str] | None = None,
        on_progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.settings = _settings(home, ports, processes)
        self.ports = self.settings.ports
        self.home = StateDirectory(self.settings.home.absolute())
        self.services: list[ServiceDescription] = []
        self.groups: dict[str, list[ServiceDescription]] = {}
        self.apis: dict[str, str] = {}
        self._extra_environment = dict(extra_environment or {})
        self._on_progress = on_progress
        self._lock = -1
        self._fork_server: ForkServer | None = None
        self._stages = ProcessStages(on_progress)
        self._disk_room: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def token(self) -> str:
        """Returns the admin token."""
        return self.home.admin_token.read_text().strip()

    def client(self, service: str) -> "httpx.AsyncClient":
        """Returns a client of a service's API with the admin token. The caller closes it."""
        import httpx  # noqa: PLC0415 - `varco up` does without

        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.AsyncClient(base_url=self.apis[service], headers=headers, timeout=30, trust_env=False)

    async def start(self) -> None:
        """Starts everything in order, and returns when all of it is ready."""
        self._lock = self.home.lock()
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Drains and ends everything, first the services that accept mail. Leaves no process."""
        if self._disk_room:
            await ended(self._disk_room)
            self._disk_room = None
        await self._stages.stop()
        self.groups.clear()
        self._fork_server = None
        if self._lock >= 0:
            self.home.release(self._lock)
            self._lock = -1

    @property
    def processes(self) -> dict[str, ManagedProcess]:
        """Returns each process by its name."""
        return self._stages.processes

    def process(self, name: str) -> ManagedProcess:
        """Returns the process of this name, or in which this service runs."""
        hosts = [process for process, members in self.groups.items() if name in [service.name for service in members]]
        return self.processes[(hosts or [name])[0]]

    async def kill(self, name: str) -> int:
        """Kills a process (SIGKILL), and returns its process id. The stack starts it again."""
        return await self.process(name).kill()

    async def wait_restarted(self, name: str, before: int) -> None:
        """Waits until another process than `before` runs under this name."""
        async with asyncio.timeout(START_SECONDS):
            await self.process(name).wait_restarted(before)

    async def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Waits until every process is ready. Raises FailedStart."""
        await asyncio.gather(*(process.wait_ready(seconds) for process in self.processes.values()))

    def handover(self) -> Handover | None:
        """Returns what another program needs to supervise the stack in this process.

        None while a process is being started.
        """
        if not all(process.settled for process in self.processes.values()):
            return None
        return Handover(
            home=str(self.home.path),
            lock=self._lock,
            log_level=self.settings.log_level,
            bus=self._operator(),
            connection=self._fork_server.connection.fileno() if self._fork_server else -1,
            stages=[[RunningProcess.of(process) for process in stage] for stage in self._stages.stages],
        )

    @contextlib.asynccontextmanager
    async def storage_only(self) -> AsyncIterator[None]:
        """Runs only the bus, for backup and restore. Creates no stream."""
        self._lock = self.home.lock()
        try:
            programs = await self._prepare(forks=False)
            await self._start_stage(programs.bus())
            await self.wait_ready()
            yield
        finally:
            await self.stop()

    async def _prepare(self, *, forks: bool) -> Programs:
        for name in end_stale(self.home):
            self._on_progress(f"ended {name}, which had outlived an earlier stack")
        for name in self.home.prepare(self.settings.bind):
            self._on_progress(f"{name} was damaged: made again")
        if self.home.seaweed.exists() or self.home.seaweed_moved.exists():
            from varco_cli.stack import seaweed_migration  # noqa: PLC0415 - large, and needed once

            await seaweed_migration.migrate(self.home, self.settings.inner, self._on_progress)
        self.services = await (self._start_fork_server() if forks else asyncio.to_thread(installed_services))
        check_names(os.environ, self.services)
        return Programs(self.home, self.settings, self.services, self._extra_environment)

    async def _start(self) -> None:
        programs = await self._prepare(forks=forking.AVAILABLE and self.settings.processes != "one")
        api_ports = assign_api_ports(self.home, self.ports.api, self.services)
        check_ports(self.settings, self.services, api_ports)
        self.apis = {name: f"http://{_host(self.settings.bind)}:{port}" for name, port in api_ports.items()}
        self.home.note_pid("varco", os.getpid())
        began = time.monotonic()
        await self._start_stage(programs.bus())
        await self.processes[NATS].wait_ready(START_SECONDS)
        await bus.ensure_streams(self._operator())
        watcher = DiskRoomWatcher(self.home, self._operator(), lambda: self.processes[NATS].kill(signal.SIGTERM))
        self._disk_room = asyncio.create_task(watcher.run(), name="disk room")
        self.groups = programs.groups
        for stage in programs.services(self.apis):
            await self._start_stage(*stage, fork_server=self._fork_server)
        await self.wait_ready()
        write_state(self.home, self.settings, self.services, self.apis, self.processes, self.groups)
        _log.info("ready", seconds=round(time.monotonic() - began, 1))

    async def _start_fork_server(self) -> list[ServiceDescription]:
        self._fork_server = ForkServer(self.home)
        await self._stages.start(self._fork_server)
        return await self._fork_server.descriptions()

    async def _start_stage(self, *programs: Program, fork_server: ForkServer | None = None) -> None:
        """Starts programs that do not wait for one another. They will be ended together."""
        await self._stages.start(
            *(
                ForkedServices(program, self.home, fork_server) if fork_server else ManagedProcess(program, self.home)
                for program in programs
            )
        )

    def _operator(self) -> BusSettings:
        limit = self.settings.mail_max_bytes
        return replace(
            bus.operator(self.home, self.settings.inner, self.ports.nats),
            mail_max_bytes=-1 if limit is None else limit,
            mail_days=self.settings.mail_days,
        )


def _settings(home: Path | None, ports: Ports | None, processes: str) -> StackSettings:
    settings = load(StackSettings)
    chosen: dict[str, Any] = {}
    if home:
        chosen["home"] = home
    if processes:
        chosen["processes"] = processes
    if ports:
        chosen |= {f"{name}_port": getattr(ports, name) for name in Ports.__dataclass_fields__}
    return settings.model_copy(update=chosen)


def _host(address: str) -> str:
    """Returns the address that a client uses to reach a listener."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - only compared with
    return everywhere.get(address, f"[{address}]" if ":" in address else address)
