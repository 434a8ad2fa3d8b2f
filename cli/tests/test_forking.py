"""Services are forked from a process that has imported them, and are children of the supervisor."""

import json
import os
import re
from pathlib import Path

import pytest

from varco_cli.stack import FailedStart, Ports, Stack
from varco_cli.stack.forking import FORK_SERVER

pytestmark = pytest.mark.asyncio(loop_scope="session")


def status(pid: int) -> dict[str, str]:
    """Returns the fields of /proc/<pid>/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def memory(pid: int) -> dict[str, int]:
    """Returns the fields of /proc/<pid>/smaps_rollup, in kB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {name: int(kilobytes) for name, kilobytes in re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE)}


def names(stack: Stack) -> dict[str, list[str]]:
    """Returns the services of each process that runs services."""
    return {process: [service.name for service in services] for process, services in stack.groups.items()}


async def test_services_that_need_one_another_share_a_process(stack: Stack) -> None:
    assert names(stack) == {
        "background": ["archive", "audit", "console", "domains"],
        "voters": ["banguard", "policy", "ratelimit"],
        "filelink": ["filelink"],
        "ingress-smtp": ["ingress-smtp"],
        "relay": ["relay"],
    }


async def test_ps_names_each_process_and_its_services(stack: Stack) -> None:
    for process, services in names(stack).items():
        pid = stack.processes[process].pid
        command = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode().split("\0")
        assert command[1:] == ["-m", "varco_cli.serve", *services]
        assert (status(pid)["Name"], status(pid)["PPid"]) == (process[:15], str(os.getpid()))


async def test_processes_share_what_was_imported(stack: Stack) -> None:
    imported = memory(stack.processes[FORK_SERVER].pid)["Anonymous"]
    for process in stack.groups:
        assert memory(stack.processes[process].pid)["Shared_Dirty"] > imported / 3, process


async def test_nothing_runs_in_the_fork_server_that_a_fork_would_break(stack: Stack) -> None:
    assert status(stack.processes[FORK_SERVER].pid)["Threads"] == "1"


async def test_a_process_shows_the_metrics_of_its_own_services_alone(stack: Stack) -> None:
    for services in names(stack).values():
        async with stack.client(services[0]) as client:
            text = (await client.get("/metrics")).text
        kinds = set(
            re.findall(
                r"^varco_(archive|audit|banguard|console|domains|filelink|ingress|policy|ratelimit|relay)_",
                text,
                re.MULTILINE,
            )
        )
        assert kinds == {service.partition("-")[0] for service in services}


async def test_prometheus_finds_each_process_once(stack: Stack) -> None:
    targets = json.loads(stack.home.targets.read_bytes())
    assert [target["labels"]["service"] for target in targets] == [*stack.groups]


async def test_services_outlive_the_fork_server_and_start_from_the_next_one(stack: Stack) -> None:
    pids = {process: stack.processes[process].pid for process in stack.groups}
    await stack.wait_restarted(FORK_SERVER, await stack.kill(FORK_SERVER))
    assert {process: stack.processes[process].pid for process in stack.groups} == pids
    await stack.wait_restarted("banguard", await stack.kill("banguard"))  # while the fork server still imports
    await stack.wait_ready()


async def test_a_killed_service_leaves_no_zombie(stack: Stack) -> None:
    before = await stack.kill("audit")
    await stack.wait_restarted("audit", before)
    await stack.wait_ready()
    assert not Path(f"/proc/{before}").exists()


async def test_a_service_that_can_not_be_loaded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "broken" / "varco_policy"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('this was damaged')")
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    with pytest.raises(FailedStart, match="a service can't be loaded: ImportError: this was damaged"):
        await Stack(tmp_path / "var", ports=Ports.free()).start()
