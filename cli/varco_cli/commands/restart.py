"""`varco restart`: services of a running stack drained and started anew, one after the other."""

import contextlib
import os
import signal
import time
from typing import Annotated

import httpx
import typer

from varco_cli import api_client, output
from varco_cli.commands.status import pid_of
from varco_cli.failures import Misused, Unreachable
from varco_cli.output import Json

_LOOK_SECONDS = 0.05


def restart(
    services: Annotated[
        list[str] | None, typer.Argument(help="Which; all services where none is named.", metavar="[SERVICE]...")
    ] = None,
    seconds: Annotated[int, typer.Option(help="How long to wait for each to be ready again.")] = 90,
    as_json: Json = False,
) -> None:
    """Drains services of VARCO_HOME's stack and starts them anew with the code that is installed now: an upgrade under traffic.

    One after the other; the next begins when the one before is ready. Mail that can't be voted on meanwhile hears 451 and comes
    again; nothing is lost. The bus (`nats`) and the object store (`s3`) are restarted where they are named.

    Examples: `varco restart` · `varco restart relay` · `varco restart nats`
    """
    state = api_client.state()
    if not state or not api_client.state_directory().running():
        raise Unreachable(f"no stack runs in {api_client.state_directory().path}")
    running: list[str] = state["processes"]
    chosen = services or [name for name in running if name not in ("nats", "s3")]
    if unknown := [name for name in chosen if name not in running]:
        raise Misused(f"{unknown[0]}: expected one of {', '.join(running)}")
    done = {name: _restart(name, state["apis"], seconds) for name in chosen}
    output.show(done, as_json, lambda: output.table(["process", "seconds"], done.items()))


def _restart(name: str, apis: dict[str, str], seconds: int) -> float:
    """How long it took, until all that answers to it is ready again."""
    output.step(f"restarting {name}")
    before, began = pid_of(name), time.monotonic()
    with contextlib.suppress(ProcessLookupError):
        os.kill(before, signal.SIGTERM) if before else None
    while pid_of(name) in (0, before) or not _ready([apis[name]] if name in apis else [*apis.values()]):
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
