"""How a service describes itself, and how it is run: uvloop, signals, draining, exit codes."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Literal

import uvloop

from varco_common.base import log
from varco_common.base.imports import without_collector
from varco_common.base.settings import BrokenSetting, Settings, exit_broken, load_or_exit
from varco_common.runtime import earlier_tokens, token_uses
from varco_common.runtime.network_watch import network_lost
from varco_common.runtime.revocations import REVOKED

Role = Literal["front door", "voter", "worker", "recorder", "reader"]

EXIT_CRASHED = 1
GROUP = "varco.services"

_log = log.get(__name__)
_draining: ContextVar[asyncio.Event] = ContextVar("draining")


@dataclass(frozen=True, kw_only=True)
class Service:
    """What the stack needs to know to run a service.

    `serve` runs until it is cancelled; then it finishes the work in progress and returns.
    `publishes` and `subscribes` are subjects besides those of the JetStream API and of the HTTP
    server; the bus allows the service no others. `wanted` tells whether `varco up` starts the
    service on this machine.
    """

    name: str
    role: tuple[Role, ...]
    settings: type[Settings]
    serve: Callable[[Any], Awaitable[None]]
    publishes: tuple[str, ...] = ()
    subscribes: tuple[str, ...] = ()
    wanted: Callable[[], bool] = lambda: True

    def __post_init__(self) -> None:
        """Adds what the HTTP server needs to verify tokens, and to tell that they are used."""
        object.__setattr__(self, "publishes", (*self.publishes, earlier_tokens.QUESTION, token_uses.QUESTION))
        object.__setattr__(self, "subscribes", (*self.subscribes, REVOKED))


def installed() -> list[Service]:
    """Every service whose package is installed, sorted by name."""
    with without_collector():
        services = [entry.load() for entry in entry_points(group=GROUP)]
    return sorted(services, key=lambda service: service.name)


def draining() -> asyncio.Event:
    """An event that is set when this process is told to end. From then on no new work is begun."""
    try:
        return _draining.get()
    except LookupError:  # not started by `run`, but by a test or inside another program
        _draining.set(event := asyncio.Event())
        return event


def run(*services: Service, environments: Mapping[str, Mapping[str, str]] | None = None) -> None:
    """Runs the services in this process until SIGTERM or SIGINT, and ends the process.

    `environments` has the variables of each service that differ from the process's environment.
    Exit codes: 0 drained, 1 crashed or not drained in time, 2 a broken setting. A second signal
    ends the process at once.
    """
    settings = []
    for service in services:
        os.environ.update((environments or {}).get(service.name, {}))
        settings.append(load_or_exit(service.settings))
    log.configure(settings[0].log_level)
    _calm_collector()
    sys.exit(uvloop.run(_supervise(list(zip(services, settings, strict=True)))))


def _calm_collector() -> None:
    """Collects garbage less often: imported modules stay, and few other objects form cycles.

    With the default thresholds ingress-smtp spent a tenth of its CPU time here.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


async def _supervise(parts: Sequence[tuple[Service, Settings]]) -> int:
    stop = draining()
    loop = asyncio.get_running_loop()
    tasks = [asyncio.create_task(_serve(service, settings), name=service.name) for service, settings in parts]
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, stop)
    waiting = asyncio.create_task(stop.wait())
    lost = asyncio.create_task(network_lost())
    await asyncio.wait([*tasks, waiting, lost], return_when=asyncio.FIRST_COMPLETED)
    if lost.done():
        _log.error("the network is gone: ending, so that a restart joins the new one")
        os._exit(EXIT_CRASHED)  # no client and no bus is within reach: there is nothing to drain
    lost.cancel()
    errors = _new_errors(tasks, {})  # draining may take long, or not end
    stop.set()
    for task in tasks:
        task.cancel()
    grace = max(settings.drain.total_seconds() for _, settings in parts)
    _, late = await asyncio.wait(tasks, timeout=grace)
    errors |= _new_errors(tasks, errors)
    return _exit_code(errors, late)


def _on_signal(stop: asyncio.Event) -> None:
    if stop.is_set():
        os._exit(EXIT_CRASHED)
    stop.set()


def _new_errors(tasks: Sequence[asyncio.Task[None]], known: Mapping[str, BaseException]) -> dict[str, BaseException]:
    """Logs and returns the errors of the services that have ended, but for those that are known.

    A broken setting is not logged: it becomes the last words of the process.
    """
    over = [task for task in tasks if task.done() and not task.cancelled() and task.get_name() not in known]
    errors = {task.get_name(): error for task in over if (error := task.exception())}
    for name, error in errors.items():
        if not _broken_setting(error):
            _log.error("crashed", service=name, error=repr(error), exc_info=error)
    return errors


def _exit_code(errors: Mapping[str, BaseException], late: set[asyncio.Task[None]]) -> int:
    if late:
        _log.error("not drained in time", late=sorted(task.get_name() for task in late))
    if broken := next(filter(None, map(_broken_setting, errors.values())), None):
        exit_broken(broken)
    if late:
        os._exit(EXIT_CRASHED)  # the tasks ignored their cancellation, so waiting for them would not end
    return EXIT_CRASHED if errors else 0


def _broken_setting(error: BaseException) -> BrokenSetting | None:
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(_broken_setting, error.exceptions)), None)
    return error if isinstance(error, BrokenSetting) else None


async def _serve(service: Service, settings: Settings) -> None:
    with log.of(service=service.name):
        _log.info("starting", role=" and ".join(service.role))
        try:
            await service.serve(settings)
        except asyncio.CancelledError:
            if not draining().is_set():
                raise
        if not draining().is_set():
            raise RuntimeError("it ended without being told to")
        _log.info("ended")
