"""What /readyz answers: the checks of a service, and the reason of each one that fails."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import NamedTuple
from weakref import WeakKeyDictionary

from fastapi.responses import JSONResponse
from prometheus_client import Gauge

from varco_common.base import log
from varco_common.base.errors import Degraded, StoreFull, TransientError, VarcoError

Check = Callable[[], Awaitable[None] | None]  # returns if all is well, else raises with the reason

CHECK_OK = Gauge("varco_check_ok", "Whether a check of /readyz passes", ["service", "check"])

_CHECK_SECONDS = 3.0
_running: WeakKeyDictionary[asyncio.AbstractEventLoop, list["Readiness"]] = WeakKeyDictionary()
_log = log.get(__name__)


class CheckState(NamedTuple):
    """The outcome of one check. `why` is empty where it passes."""

    why: str = ""
    degrades: bool = False  # the service goes on without what `why` names

    def as_json(self) -> dict[str, object]:
        if not self.why:
            return {"ok": True}
        return {"ok": False, "why": self.why, "degrades": self.degrades}


class Readiness:
    """A service is serving, degraded (a part does not work), or down (also while it drains)."""

    def __init__(self, service: str, draining: asyncio.Event) -> None:
        self.checks: dict[str, Check] = {"start": _starting}
        self._service, self._draining = service, draining
        self._measured: set[str] = set()  # checks that have a metric

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Lets `measure_all` measure this service inside the block."""
        services = _running.setdefault(asyncio.get_running_loop(), [])
        services.append(self)
        try:
            yield
        finally:
            services.remove(self)

    async def respond(self) -> JSONResponse:
        """200 while serving or degraded, else 503; with the result of each check."""
        states = await self.measure()
        if self._draining.is_set():
            states["draining"] = CheckState("this process was told to end")
        failed = [state for state in states.values() if state.why]
        down = not all(state.degrades for state in failed)
        content = {
            "service": self._service,
            "ready": not down,
            "state": "down" if down else "degraded" if failed else "serving",
            "checks": {name: state.as_json() for name, state in states.items()},
        }
        return JSONResponse(content, (HTTPStatus.SERVICE_UNAVAILABLE if down else HTTPStatus.OK).value)

    async def measure(self) -> dict[str, CheckState]:
        """Runs every check, and writes the results into the metrics."""
        checking = dict(self.checks)  # a start that ends meanwhile replaces them
        states = dict(zip(checking, await asyncio.gather(*map(_state, checking.values())), strict=True))
        for name in self._measured - self.checks.keys():  # else `start` would fail for ever
            with suppress(KeyError):
                CHECK_OK.remove(self._service, name)
        self._measured = {name for name in states if name in self.checks}
        for name in self._measured:
            CHECK_OK.labels(self._service, name).set(not states[name].why)
        return states


async def measure_all() -> None:
    """Measures every service that shares this process, because they share its metrics."""
    await asyncio.gather(*(readiness.measure() for readiness in _running.get(asyncio.get_running_loop(), ())))


def degrades(check: Callable[[], Awaitable[None]], effect: str) -> Check:
    """A check whose failure has only this effect on the service."""

    async def checked() -> None:
        try:
            await check()
        except TransientError as error:
            raise Degraded(f"{error}: {effect}") from error

    return checked


def _starting() -> None:
    raise TransientError("starting: not caught up yet")


async def _state(check: Check) -> CheckState:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            if inspect.isawaitable(result := check()):
                await result
    except TimeoutError:
        return CheckState(f"no answer in {_CHECK_SECONDS:g} s")
    except VarcoError as error:
        return CheckState(str(error), degrades=isinstance(error, Degraded | StoreFull))
    except Exception as error:  # noqa: BLE001  # a check with a bug makes the service not ready
        _log.exception("check failed", error=repr(error))
        return CheckState("the check failed; the error is in this service's log")
    return CheckState()
