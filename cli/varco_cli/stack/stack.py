"""The embedded stack: the bus, the object store and every installed service, as one thing to start and to end.

async with Stack(home, ports=Ports.free()) as stack:
    await stack.kill("relay")
    await stack.wait_ready()
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from varco_cli.stack import bus, environment
from varco_cli.stack.binaries import binary
from varco_cli.stack.disk_room import DiskRoomWatcher
from varco_cli.stack.installed import ServiceDescription, installed_services
from varco_cli.stack.process import ManagedProcess, Program, end_stale
from varco_cli.stack.settings import Ports, StackSettings, listenable
from varco_cli.stack.state_directory import StateDirectory
from varco_common.base import log
from varco_common.base.durable_file import write_durable
from varco_common.base.settings import load
from varco_common.base.tasks import ended
from varco_common.bus.settings import BusSettings
from varco_common.bus.stream_admin import STORE_CHECK as STORE
from varco_common.storage import seaweed

START_SECONDS = 60.0
NATS_MEMORY = "512MiB"  # a goal: without one it keeps for ever what a burst of large bodies took
NATS, OBJECTS, TOGETHER = "nats", "s3", "services"
_SERVE = [sys.executable, "-m", "varco_cli.serve"]

_log = log.get(__name__)


class Stack:
    """All processes of one VARCO_HOME. `say` gets a line for each step of the start and the end.

    `ports` and `more` (further variables for every service) are for those who start it from a program; else the
    environment says all. Raises AlreadyRunning, BrokenSetting, DamagedFile or FailedStart, and then leaves nothing running.
    """

    def __init__(
        self,
        home: Path | None = None,
        *,
        ports: Ports | None = None,
        processes: str = "",
        more: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.settings = _settings(home, ports, processes)
        self.ports = self.settings.ports
        self.home = StateDirectory(self.settings.home.absolute())
        self.services: list[ServiceDescription] = []
        self.processes: dict[str, ManagedProcess] = {}
        self.apis: dict[str, str] = {}
        self._more = dict(more or {})
        self._say = say
        self._lock = -1
        self._probe = httpx.AsyncClient(timeout=4, trust_env=False)
        self._stages: list[list[ManagedProcess]] = []
        self._room: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def token(self) -> str:
        """The admin token."""
        return self.home.admin_token.read_text().strip()

    def client(self, service: str) -> httpx.AsyncClient:
        """A client of one service's API, with the admin token; the caller closes it."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.AsyncClient(base_url=self.apis[service], headers=headers, timeout=30, trust_env=False)

    async def start(self) -> None:
        """Starts everything, in the order in which it is needed; returns when all is ready."""
        self._lock = self.home.lock()
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Drains, the front door first, and ends everything; leaves no process behind."""
        if self._room:
            await ended(self._room)
            self._room = None
        for stage in reversed(self._stages):
            self._say(f"ending {', '.join(process.name for process in stage)}")
            await asyncio.gather(*(process.stop() for process in stage))
        self._stages.clear()
        self.processes.clear()
        seaweed.remove_sockets(self.ports.objects)
        await self._probe.aclose()
        if self._lock >= 0:
            self.home.state.unlink(missing_ok=True)
            self.home.pid_file("varco").unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = -1

    async def kill(self, name: str) -> int:
        """SIGKILL to one process, which the stack then starts again; the process id that it had."""
        return await self.processes[name].kill()

    async def restarted(self, name: str, before: int) -> None:
        """Returns when another process than `before` runs under this name."""
        async with asyncio.timeout(START_SECONDS):
            await self.processes[name].restarted(before)

    async def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Returns when every process is ready. Raises FailedStart."""
        await asyncio.gather(*(process.wait_ready(seconds) for process in self.processes.values()))

    @contextlib.asynccontextmanager
    async def storage_alone(self) -> AsyncIterator[None]:
        """The bus and the object store, without streams being made or any service: for backup and restore."""
        self._lock = self.home.lock()
        try:
            await self._prepare()
            await self._stage(self._nats(), self._objects())
            await self.wait_ready()
            yield
        finally:
            await self.stop()

    async def _prepare(self) -> None:
        for name in end_stale(self.home):
            self._say(f"{name} had outlived an earlier stack: ended")
        for name in self.home.prepare(self.settings.bind):
            self._say(f"{name} was damaged: made again")
        self.services = await asyncio.to_thread(installed_services)

    async def _start(self) -> None:
        await self._prepare()
        self.apis = {
            name: f"http://{_host(self.settings.bind)}:{port}"
            for name, port in environment.api_ports(self.home, self.ports.api, self.services).items()
        }
        self._check_ports()
        self.home.note_pid("varco", os.getpid())
        began = time.monotonic()
        await self._stage(self._nats(), self._objects())
        await self.processes[NATS].wait_ready(START_SECONDS)
        await bus.ensure_streams(self._operator())
        room = DiskRoomWatcher(self.home, self._operator(), lambda: self.processes[NATS].kill(signal.SIGTERM))
        self._room = asyncio.create_task(room.keep(), name="room")
        for programs in self._service_programs():
            await self._stage(*programs)
        await self.wait_ready()
        self._write_state()
        _log.info("ready", seconds=round(time.monotonic() - began, 1))

    async def _stage(self, *programs: Program) -> None:
        """Starts programs that don't wait for one another, and will be ended together."""
        stage = [ManagedProcess(program, self.home) for program in programs]
        self._stages.append(stage)
        self.processes |= {process.name: process for process in stage}
        self._say(f"starting {', '.join(process.name for process in stage)}")
        for process in stage:
            await process.start()

    def _nats(self) -> Program:
        address, port = self.settings.inner, self.ports.nats
        config = bus.configure(self.home, address, port, self.services)
        return Program(
            name=NATS,
            command=[binary("nats-server"), "-c", str(config)],
            environment={"VARCO_HOME": str(self.home.path), "GOMEMLIMIT": NATS_MEMORY},
            ready=lambda: bus.ready(address, port),
        )

    def _operator(self) -> BusSettings:
        limit = self.settings.mail_max_bytes
        return replace(
            bus.operator(self.home, self.settings.inner, self.ports.nats),
            mail_max_bytes=-1 if limit is None else limit,
            mail_days=self.settings.mail_days,
        )

    def _objects(self) -> Program:
        home = self.home.objects
        home.mkdir(mode=0o700, exist_ok=True)
        keys = (self.home.secret("s3.access", 10), self.home.secret("s3.secret", 20))
        seaweed.credentials(home, *(key.read_text().strip() for key in keys))
        url = f"http://{self.settings.inner}:{self.ports.s3}/healthz"
        return Program(
            name=OBJECTS,
            command=seaweed.command(binary("weed"), home, self.ports.objects, self.settings.inner),
            environment={"VARCO_HOME": str(self.home.path), **seaweed.environment(home)},
            ready=lambda: self._answers(url),
            grace_seconds=1.0,  # it takes its time with a SIGTERM, and needs none: what it answered is on disk
        )

    def _service_programs(self) -> list[list[Program]]:
        """All but the front door, then the front door: it opens last and closes first."""
        if self.settings.processes == "one":
            return [[self._together()]]
        doors = [service for service in self.services if "front door" in service.role]
        others = [service for service in self.services if service not in doors]
        return [[self._program(service) for service in group] for group in (others, doors) if group]

    def _program(self, service: ServiceDescription) -> Program:
        return Program(
            name=service.name,
            command=[*_SERVE, service.name],
            environment=self._environment(service),
            ready=lambda: self._at_work(self.apis[service.name]),
            grace_seconds=self.settings.drain.total_seconds() + 5,
        )

    def _together(self) -> Program:
        file = self.home.path / "environments.json"
        environments = {service.name: self._environment(service) for service in self.services}
        write_durable(file, msgspec.json.encode(environments))
        return Program(
            name=TOGETHER,
            command=[*_SERVE, *(service.name for service in self.services)],
            environment={"VARCO_HOME": str(self.home.path), "VARCO_ENVIRONMENTS": str(file)},
            ready=self._all_answer,
            grace_seconds=self.settings.drain.total_seconds() + 5,
        )

    def _environment(self, service: ServiceDescription) -> dict[str, str]:
        port = int(self.apis[service.name].rpartition(":")[2])
        defaults = {
            "VARCO_INGRESS_VOTERS": environment.voters(self.services),
            "VARCO_AUDIT_KEEPERS": environment.keepers(self.services),
        }
        chosen = {name: os.environ.get(name, value) for name, value in defaults.items()}
        return environment.of_service(self.home, self.settings, service, port) | chosen | self._more

    async def _all_answer(self) -> bool:
        return all(await asyncio.gather(*map(self._at_work, self.apis.values())))

    async def _at_work(self, api: str) -> bool:
        """Ready, or kept from it by the bus's full store alone: started all the same, or it would never drain."""
        try:
            checks = (await self._probe.get(f"{api}/readyz")).json()["checks"]
        except (httpx.HTTPError, ValueError, KeyError):
            return False
        return all(check["ok"] for name, check in checks.items() if name != STORE)

    async def _answers(self, url: str) -> bool:
        try:
            return (await self._probe.get(url)).is_success
        except httpx.HTTPError:
            return False

    def _check_ports(self) -> None:
        """Raises BrokenSetting for the first port that somebody else has, naming the variable to change."""
        for service in self.services:
            listenable(self.settings.bind, int(self.apis[service.name].rpartition(":")[2]), "VARCO_API_PORT")
            for variable in service.ports:
                port = int(self.ports.environment.get(variable, "0"))
                if port:
                    listenable(self.settings.bind, port, variable)
        listenable(self.settings.inner, self.ports.nats, "VARCO_NATS_PORT")
        for port in self.ports.objects.values():
            listenable(self.settings.inner, port, "VARCO_S3_PORT")

    def _write_state(self) -> None:
        """What `varco status` and the other commands read."""
        state: dict[str, Any] = {
            "supervisor": os.getpid(),
            "started_at": datetime.now(UTC),
            "bind": self.settings.bind,
            "inner": self.settings.inner,
            "version": version("varco-cli"),
            "apis": self.apis,
            "ports": {name: getattr(self.ports, name) for name in self._listening()},
            "processes": list(self.processes),
            "services": [service.name for service in self.services],
        }
        write_durable(self.home.targets, msgspec.json.format(msgspec.json.encode(self._targets())), 0o644)
        write_durable(self.home.state, msgspec.json.format(msgspec.json.encode(state)), 0o644)

    def _targets(self) -> list[dict[str, Any]]:
        """Services that share a process share its metrics: they are scraped once."""
        together = self.settings.processes == "one"
        named = {TOGETHER: next(iter(self.apis.values()))} if together else self.apis
        return [{"targets": [url.rpartition("/")[2]], "labels": {"service": name}} for name, url in named.items()]

    def _listening(self) -> list[str]:
        variables = [variable for service in self.services for variable in service.ports]
        names = [variable.removeprefix("VARCO_").removesuffix("_PORT").lower() for variable in variables]
        return [*(name for name in names if hasattr(self.ports, name)), "nats", "s3"]


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
    """As a client writes the address of a listener."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - compared with, not listened on
    return everywhere.get(address, f"[{address}]" if ":" in address else address)
