"""`varco restart`: drains and restarts services of a running stack, one after the other."""

import contextlib
import os
import signal
import time
from typing import Annotated

import httpx
import typer

from varco_cli import api_client, output
from varco_cli.failures import Misused, Unreachable
from varco_cli.output import Json
from varco_cli.running_processes import groups, pid_of, process_of
from varco_cli.stack.forking import FORK_SERVER

_LOOK_SECONDS = 0.05
_BUS = "nats"


def restart(
    services: Annotated[
        list[str] | None, typer.Argument(help="The services to restart. Default: all.", metavar="[SERVICE]...")
    ] = None,
    seconds: Annotated[int, typer.Option(help="How many seconds to wait until each is ready again.")] = 90,
    as_json: Json = False,
) -> None:
    """Drains and restarts services of the stack of VARCO_HOME, with the code installed now.

    So it upgrades a gate under traffic. Each process restarts when the one before is ready, with
    all services in it: `varco status` shows which those are. Mail
    that can't be voted on meanwhile gets 451 and is sent again: nothing is lost. The process that
    services are forked from (`forkserver`) is replaced before. If the new code can't be loaded, no
    service ends. The bus (`nats`) restarts only if it is named.

    Examples: `varco restart` · `varco restart relay` · `varco restart nats`
    """
    state = api_client.state()
    if not state or not api_client.state_directory().running():
        raise Unreachable(f"no stack runs in {api_client.state_directory().path}")
    running: list[str] = state["processes"]
    if unknown := [name for name in services or () if process_of(name) not in running]:
        raise Misused(f"{unknown[0]}: expected one of {', '.join(dict.fromkeys([*running, *state['services']]))}")
    named = dict.fromkeys(process_of(name) for name in services or ())
    chosen = [*named] or [name for name in running if name != _BUS]
    if FORK_SERVER in running and {*chosen} != {_BUS}:
        chosen = [FORK_SERVER, *(name for name in chosen if name != FORK_SERVER)]
    done = {name: _restart(name, state["apis"], seconds) for name in chosen}
    output.show(done, as_json, lambda: output.table(["process", "seconds"], done.items()))


def _restart(name: str, apis: dict[str, str], seconds: int) -> float:
    """Restarts a process, and returns the seconds until its services were ready again.

    For one without services, until all services were.
    """
    output.step(f"restarting {name}")
    before, began = pid_of(name), time.monotonic()
    with contextlib.suppress(ProcessLookupError):
        os.kill(before, signal.SIGTERM) if before else None
    urls = [apis[service] for service in groups().get(name, [name]) if service in apis]
    while pid_of(name) in (0, before) or not _ready(urls or [*apis.values()]):
        if time.monotonic() - began > seconds:
            raise Unreachable(
                f"{name} isn't ready after {seconds} s: see {api_client.state_directory().log_file(name)}"
            )
        time.sleep(_LOOK_SECONDS)
    return round(time.monotonic() - began, 1)


def _ready(urls: list[str]) -> bool:
    try:
        return all(httpx.get(f"{url}/readyz", timeout=5, trust_env=False).is_success for url in urls)
    except httpx.HTTPError:
        return False
