"""What /readyz answers: the checks of a service, and the reason of each one that fails."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi.responses import JSONResponse

from varco_common.base import log
from varco_common.base.errors import TransientError, VarcoError

Check = Callable[[], Awaitable[None] | None]  # returns if all is well, else raises with the reason

_CHECK_SECONDS = 3.0
_log = log.get(__name__)


class Readiness:
    """A service is ready if every check passes and the process is not draining."""

    def __init__(self, service: str, draining: asyncio.Event) -> None:
        self.checks: dict[str, Check] = {"start": _starting}
        self._service, self._draining = service, draining

    async def respond(self) -> JSONResponse:
        """200 or 503, with the result of each check."""
        checking = dict(self.checks)  # a start that ends meanwhile replaces them
        failures = await asyncio.gather(*map(_failure, checking.values()))
        reasons = dict(zip(checking, failures, strict=True))
        if self._draining.is_set():
            reasons["draining"] = "this process was told to end"
        checks = {name: {"ok": False, "why": why} if why else {"ok": True} for name, why in reasons.items()}
        ready = not any(reasons.values())
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse({"service": self._service, "ready": ready, "checks": checks}, status.value)


def _starting() -> None:
    raise TransientError("starting: not caught up yet")


async def _failure(check: Check) -> str:
    """The reason of a check that fails; empty if it passes."""
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            if inspect.isawaitable(result := check()):
                await result
    except TimeoutError:
        return f"no answer in {_CHECK_SECONDS:g} s"
    except VarcoError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  # a check with a bug makes the service not ready
        _log.exception("check failed", error=repr(error))
        return "the check failed; the error is in this service's log"
    return ""
