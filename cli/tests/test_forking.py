"""Services are forked from a process that has imported them, and are children of the supervisor."""

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


async def test_ps_names_each_service(stack: Stack) -> None:
    for service in stack.services:
        pid = stack.processes[service.name].pid
        command = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode().split("\0")
        assert command[1:] == ["-m", "varco_cli.serve", service.name]
        assert (status(pid)["Name"], status(pid)["PPid"]) == (service.name[:15], str(os.getpid()))


async def test_services_share_what_was_imported(stack: Stack) -> None:
    for service in stack.services:
        kilobytes = memory(stack.processes[service.name].pid)
        assert kilobytes["Shared_Dirty"] > kilobytes["Private_Dirty"], service.name


async def test_nothing_runs_in_the_fork_server_that_a_fork_would_break(stack: Stack) -> None:
    assert status(stack.processes[FORK_SERVER].pid)["Threads"] == "1"


async def test_a_service_shows_its_own_metrics_alone(stack: Stack) -> None:
    for service in stack.services:
        async with stack.client(service.name) as client:
            text = (await client.get("/metrics")).text
        kinds = set(
            re.findall(
                r"^varco_(archive|audit|banguard|console|domains|filelink|ingress|policy|ratelimit|relay)_",
                text,
                re.MULTILINE,
            )
        )
        assert kinds == {service.name.partition("-")[0]}


async def test_services_outlive_the_fork_server_and_start_from_the_next_one(stack: Stack) -> None:
    services = {service.name: stack.processes[service.name].pid for service in stack.services}
    await stack.wait_restarted(FORK_SERVER, await stack.kill(FORK_SERVER))
    assert {name: stack.processes[name].pid for name in services} == services
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
