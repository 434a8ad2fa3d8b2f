"""The embedded stack while it runs: killed processes restart, and forbidden things are refused."""

import asyncio
import json
import os
import re
import smtplib
import stat
import sys
from pathlib import Path

import nats
import pytest

from varco_cli.stack import Stack
from varco_cli.stack.forking import FORK_SERVER
from varco_common.storage.object_store import BODIES
from varco_common.testing.next_hop import NextHop

from .conftest import Varco

pytestmark = pytest.mark.asyncio(loop_scope="session")


def send(stack: Stack, subject: str, text: str = "hello") -> str:
    """Sends a mail from the trusted loopback, and returns the answer."""
    with smtplib.SMTP("127.0.0.1", stack.ports.smtp, timeout=20) as client:
        client.ehlo()
        client.mail("alice@acme.example")
        client.rcpt(f"{subject}@elsewhere.example")
        code, text = client.data(f"From: alice@acme.example\r\nSubject: {subject}\r\n\r\n{text}\r\n".encode())
    return f"{code} {text.decode()}"


async def passes(stack: Stack, hop: NextHop, subject: str, text: str = "hello") -> None:
    assert (await asyncio.to_thread(send, stack, subject, text)).startswith("250 2.0.0 Ok: queued as ")
    async with asyncio.timeout(30):
        while not hop.for_recipient(f"{subject}@elsewhere.example"):
            await hop.news()


async def test_a_mail_comes_through_to_the_next_hop(stack: Stack, hop: NextHop) -> None:
    await passes(stack, hop, "first")


async def test_every_process_has_a_pid_file(stack: Stack) -> None:
    pids = {file.stem: int(file.read_text()) for file in (stack.home.path / "pids").glob("*.pid")}
    assert pids == {"varco": os.getpid(), **{name: process.pid for name, process in stack.processes.items()}}


async def test_secrets_are_their_owners_alone(stack: Stack) -> None:
    home = stack.home
    files = [home.admin_token, home.path / "nats.conf", *home.secrets.iterdir()]
    files.append(home.certificate.with_suffix(".key"))
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (home.path, home.secrets)} == {0o700}


async def test_nothing_listens_but_on_loopback(stack: Stack) -> None:
    listening = {address for process in stack.processes.values() for address in listeners(process.pid)}
    assert listening == {"0100007F"}  # 127.0.0.1, as the kernel writes it


@pytest.mark.parametrize("name", ["policy", "relay", "ingress-smtp", "audit"])
async def test_the_process_of_a_service_comes_back_when_it_is_killed(stack: Stack, hop: NextHop, name: str) -> None:
    before = await stack.kill(name)
    await stack.wait_restarted(name, before)
    await stack.wait_ready()
    await passes(stack, hop, f"after-{name}")


async def test_a_restart_of_a_service_restarts_its_process_and_no_other(stack: Stack) -> None:
    before = {process: stack.processes[process].pid for process in stack.groups}
    environment = {**os.environ, "VARCO_HOME": str(stack.home.path)}
    command = [sys.executable, "-m", "varco_cli.main", "restart", "policy", "ratelimit", "--json"]
    restarting = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
    said, _ = await restarting.communicate()
    assert json.loads(said).keys() == {FORK_SERVER, "voters"}
    after = {process: stack.processes[process].pid for process in stack.groups}
    assert {process for process in before if before[process] != after[process]} == {"voters"}


async def test_all_reconnect_when_the_bus_comes_back(stack: Stack, hop: NextHop) -> None:
    others = {name: process.pid for name, process in stack.processes.items() if name != "nats"}
    await stack.wait_restarted("nats", await stack.kill("nats"))
    await stack.wait_ready()
    await passes(stack, hop, "after-nats")
    assert {name: process.pid for name, process in stack.processes.items() if name != "nats"} == others


async def test_a_large_body_passes_through_a_directory_that_is_its_owners_alone(stack: Stack, hop: NextHop) -> None:
    await passes(stack, hop, "large", text="\r\n".join(["x" * 70] * 60_000))
    stored = [*(stack.home.objects / BODIES).iterdir()]
    assert [file.stat().st_size > 60_000 * 70 for file in stored] == [True]
    assert {stat.S_IMODE(file.stat().st_mode) for file in stored} == {0o600}
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (stack.home.objects, stored[0].parent)} == {0o700}


async def test_status_says_what_the_disk_holds(stack: Stack, varco: Varco) -> None:
    (stack.home.objects / BODIES / "probe").write_bytes(bytes(3_000_000))
    try:
        ended = await asyncio.to_thread(varco, "status", "--json", home=stack.home.path)
        shown = await asyncio.to_thread(varco, "status", home=stack.home.path)
    finally:
        (stack.home.objects / BODIES / "probe").unlink()
    disk = json.loads(ended.out)["disk"]
    assert disk["objects"] >= 3_000_000
    assert disk["nats"] > 0
    assert disk["free"] > 0
    assert re.search(r"objects +\d+\.\d MB", shown.out)


async def test_a_service_speaks_and_hears_its_own_subjects_only(stack: Stack) -> None:
    refused: asyncio.Queue[Exception] = asyncio.Queue()
    connection = await nats.connect(
        f"nats://{stack.settings.inner}:{stack.ports.nats}",
        user="relay",
        password=stack.home.bus_password("relay").read_text().strip(),
        error_cb=refused.put,
    )
    try:
        async with asyncio.timeout(60):
            for subject in ("events.policy.sender-authorised.acme", "mail.accepted.acme", "ballot.1"):
                await connection.publish(subject, b"{}")
                assert "permissions violation for publish" in str(await refused.get()).lower()
            for subject in ("_INBOX_policy.>", "ballot.*", ">"):
                await connection.subscribe(subject)
                assert "permissions violation for subscription" in str(await refused.get()).lower()
    finally:
        await connection.close()


async def test_nobody_is_let_in_without_a_password(stack: Stack) -> None:
    reader, writer = await asyncio.open_connection(stack.settings.inner, stack.ports.nats)
    async with asyncio.timeout(60):
        await reader.readline()
        writer.write(b'CONNECT {"verbose":false}\r\nPING\r\n')
        assert b"Authorization Violation" in await reader.readline()
    writer.close()


def listeners(pid: int) -> set[str]:
    """Returns the addresses that a process listens on (proc_net_tcp(5): state 0A is LISTEN)."""
    sockets = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets.add(str(entry.readlink()))
        except FileNotFoundError:
            continue
    table = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    table += [line.split() for line in Path(f"/proc/{pid}/net/tcp6").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in table if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}
