"""`varco status`: what runs where, and whether it is ready."""

import contextlib
from pathlib import Path
from typing import Any

import httpx
import typer

from varco_cli import api_client, output
from varco_cli.failures import Unreachable
from varco_cli.output import Json


def add(app: typer.Typer) -> None:
    app.command("status")(status)


def status(as_json: Json = False) -> None:
    """Processes, ports, readiness and version of the stack of VARCO_HOME. Exit code 3 where not all is ready.

    Where VARCO_APIS names services that run elsewhere: their readiness.

    Examples: `varco status` · `varco status --json | jq .apis.policy`
    """
    found: dict[str, Any] | None = (
        {"apis": api_client.apis(), "processes": []} if api_client.apis_are_given() else api_client.state()
    )
    if not found or not (api_client.apis_are_given() or api_client.state_directory().running()):
        raise Unreachable(f"no stack runs in {api_client.state_directory().path}")
    ready = {service: _ready(url) for service, url in found["apis"].items()}
    found["processes"] = {name: pid_of(name) for name in found["processes"]}
    found["ready"] = all(one.get("ready") for one in ready.values()) and all(found["processes"].values())
    found["services"] = ready
    output.show(found, as_json, lambda: _print(found))
    if not found["ready"]:
        raise typer.Exit(Unreachable.exit_code)


def _print(found: dict[str, Any]) -> None:
    if found["processes"]:
        output.line(f"Varco {found['version']}, since {found['started_at']}, process {found['supervisor']}")
        output.table(["process", "pid"], [(name, pid or "down") for name, pid in found["processes"].items()])
    output.table(
        ["service", "ready", "API"],
        [(name, _why(one), found["apis"][name]) for name, one in found["services"].items()],
    )
    if found["processes"]:
        output.table(["port", ""], found["ports"].items())


def _why(one: dict[str, Any]) -> str:
    return "yes" if one.get("ready") else "; ".join(f"{name}: {why}" for name, why in one["missing"].items())


def _ready(url: str) -> dict[str, Any]:
    try:
        answer = httpx.get(f"{url}/readyz", timeout=5, trust_env=False).json()
    except (httpx.HTTPError, ValueError) as error:
        return {"ready": False, "missing": {"process": str(error)}}
    missing = {name: check.get("why", "") for name, check in answer["checks"].items() if not check["ok"]}
    return {"ready": answer["ready"], "missing": missing}


def pid_of(process: str) -> int:
    """0 where it doesn't run now."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(api_client.state_directory().pid_file(process).read_text())
        if Path(f"/proc/{pid}").exists():
            return pid
    return 0
