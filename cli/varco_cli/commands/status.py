"""`varco status`: shows what runs where, and whether it is ready."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import httpx
import typer

from varco_cli import api_client, output, times
from varco_cli.failures import Unreachable
from varco_cli.output import Json
from varco_cli.running_processes import pid_of

_DIRECTORIES = ("nats", "objects", "data", "spool", "logs")  # docs/operations.md says what is in each


def status(as_json: Json = False) -> None:
    """Shows processes, ports, readiness, disk use and version of the stack of VARCO_HOME.

    A service is serving, degraded (it says which part does not work) or down. Exit code 3 where one
    is not serving. With VARCO_APIS, shows the readiness of the services
    that it names.

    Examples: `varco status` · `varco status --json | jq .apis.policy`
    """
    answer: dict[str, Any] | None = (
        {"apis": api_client.apis(), "processes": []} if api_client.apis_are_given() else api_client.state()
    )
    if not answer or not (api_client.apis_are_given() or api_client.state_directory().running()):
        raise Unreachable(f"no stack runs in {api_client.state_directory().path}")
    ready = {service: _ready(url) for service, url in answer["apis"].items()}
    answer["processes"] = {name: pid_of(name) for name in answer["processes"]}
    serving = all(service["state"] == "serving" for service in ready.values())
    answer["ready"] = serving and all(answer["processes"].values())
    answer["services"] = ready
    if answer["processes"]:
        answer["disk"] = disk_use(api_client.state_directory().path)
    output.show(answer, as_json, lambda: _print(answer))
    if not answer["ready"]:
        raise typer.Exit(Unreachable.exit_code)


def _print(answer: dict[str, Any]) -> None:
    if answer["processes"]:
        output.line(
            f"Varco {answer['version']}, since {times.local(answer['started_at'])}, process {answer['supervisor']}"
        )
        groups = answer.get("groups", {})
        rows = [(name, pid or "down", " ".join(groups.get(name, ()))) for name, pid in answer["processes"].items()]
        output.table(["process", "pid", "services"], rows)
    output.table(
        ["service", "state", "API"],
        [(name, service["state"], answer["apis"][name]) for name, service in answer["services"].items()],
    )
    for name, service in answer["services"].items():
        output.lines(f"{name} is {service['state']}: {check}: {why}" for check, why in service["missing"].items())
    if answer["processes"]:
        output.table(["port", ""], answer["ports"].items())
        output.table(["disk", "size"], answer["disk"].items())


def _ready(url: str) -> dict[str, Any]:
    try:
        answer = httpx.get(f"{url}/readyz", timeout=5, trust_env=False).json()
    except (httpx.HTTPError, ValueError) as error:
        return {"ready": False, "state": "down", "missing": {"process": str(error)}}
    missing = {name: check.get("why", "") for name, check in answer["checks"].items() if not check["ok"]}
    return {"ready": answer["ready"], "state": answer["state"], "missing": missing}


def disk_use(home: Path) -> dict[str, int]:
    """Returns the bytes that each directory of the home takes, and those that are free."""
    used = {name: _taken(home / name) for name in _DIRECTORIES if (home / name).is_dir()}
    return {**used, "free": shutil.disk_usage(home).free}


def _taken(directory: Path) -> int:
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                total += (Path(folder) / name).lstat().st_blocks * 512
    return total
