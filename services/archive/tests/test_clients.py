"""Real clients fetch and delete everything.

Those that aren't installed here are skipped (Debian has them all).
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import LOGIN, PASSWORD, Gate, copies, count, switch_on

COUNT = 7


def run(*command: str, home: Path) -> None:
    done = subprocess.run(
        command,
        cwd=home,
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def getmail(gate: Gate, home: Path) -> None:
    settings = f"""
[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = {gate.pop3s}
username = {LOGIN}
password = {PASSWORD}
ca_certs = {gate.certificate.certificate}
[destination]
type = Mboxrd
path = {home}/got.mbox
user = {"nobody" if os.geteuid() == 0 else ""}
[options]
delete = true
"""
    lines = [line for line in settings.splitlines() if line != "user = "]
    (home / "getmailrc").write_text("\n".join(lines))
    box = home / "got.mbox"
    box.touch()
    if os.geteuid() == 0:  # it delivers nothing as root
        shutil.chown(box, "nobody")
        for parent in (home, *home.parents):
            if parent.owner() == "root" and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o001)
    run("getmail", "--getmaildir", str(home), "--rcfile", "getmailrc", home=home)


def fetchmail(gate: Gate, home: Path) -> None:
    rc = home / "fetchmailrc"
    rc.write_text(
        f'poll localhost service {gate.pop3} protocol pop3 user "{LOGIN}" password "{PASSWORD}" is root here '
        f'sslcertck sslcertfile "{gate.certificate.certificate}" sslproto "tls1.2+" fetchall no keep '
        f"mda \"/bin/sh -c 'cat >> {home}/got.mbox'\"\n"
    )
    rc.chmod(0o600)
    run("fetchmail", "-f", str(rc), "--nosyslog", "--pidfile", str(home / "pid"), home=home)


def mpop(gate: Gate, home: Path) -> None:
    arguments = (
        f"--host=localhost --port={gate.pop3} --tls=on --tls-starttls=on --auth=on --user={LOGIN} --keep=off "
        f"--tls-trust-file={gate.certificate.certificate} --uidls-file={home}/uidls --delivery=mbox,{home}/got.mbox"
    )
    run("mpop", *arguments.split(), f"--passwordeval=echo {PASSWORD}", home=home)


def curl(gate: Gate, home: Path) -> None:
    trusted = ("curl", "-sS", "--cacert", str(gate.certificate.certificate), "-u", f"{LOGIN}:{PASSWORD}")
    with (home / "got.mbox").open("wb") as box:
        for number in range(1, COUNT + 1):
            url = f"pop3s://localhost:{gate.pop3s}/{number}"
            box.write(subprocess.run([*trusted, url], capture_output=True, timeout=60, check=True).stdout)
    url = f"pop3://localhost:{gate.pop3}/1"
    for _ in range(COUNT):  # after each QUIT the next one is number 1
        run(*trusted, "--ssl-reqd", "-X", "DELE", "--head", url, home=home)


@pytest.mark.parametrize("client", [getmail, fetchmail, mpop, curl], ids=lambda client: client.__name__)
async def test_a_real_client_fetches_and_deletes_everything(
    gate: Gate, tmp_path: Path, client: Callable[[Gate, Path], None]
):
    if not shutil.which(client.__name__):
        pytest.skip(f"{client.__name__} is not installed here")
    async with gate.archive() as http:
        await switch_on(http)
        mails = [await gate.mail() for _ in range(COUNT)]
        await copies(http, COUNT)
        home = tmp_path / "client"
        home.mkdir()
        await asyncio.to_thread(client, gate, home)
        text = (home / "got.mbox").read_text()
        assert all(text.count(f"X-Varco-Mail-Id: {mail}") == 1 for mail in mails)
        assert text.count("\n.dots") == COUNT
        assert await count(http) == 0
