"""Backup, removal of everything, restore, as in docs/operations.md.

Copies, links, queue and events exist again.
"""

import os
import re
import stat
import tarfile
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from tests.compose.conftest import ACME, ALICE, PASSWORD
from tests.compose.deployment import Deployment
from tests.compose.test_a_copy_is_fetched_by_pop3 import fetched
from tests.integration.gate import mail, transact, wait_for


def test_a_backup_is_restored_on_empty_volumes(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    gate = Deployment(tmp_path, VARCO_FILES=str(files))
    file = os.urandom(1_500_000)
    try:
        start(gate)
        gate.apply(ACME.replace("LINKS", str(gate.ports.links)))
        gate.apply(
            "account: dead\nsenders: ['@dead.test']\nroute: {smarthost: 'nobody.invalid:25', tls: none}\n"
            "users: [{login: d@dead.test, password: correct-horse-battery}]\n"
        )
        with gate.smtp(ALICE, PASSWORD) as client:
            assert transact(client, ALICE, ["kept@dest.test"], mail(ALICE, "kept for ten years\r\n"))[0] == 250
            assert transact(client, ALICE, ["heavy@dest.test"], heavy(file))[0] == 250
        with gate.smtp("d@dead.test", PASSWORD) as client:
            assert transact(client, "d@dead.test", ["waits@dest.test"], mail("d@dead.test", "waits\r\n"))[0] == 250
        letter = wait_for(lambda: gate.caught("heavy@dest.test"), 60)[0]["content"].replace("=\r\n", "")
        link = re.search(r"http://\S+/files/[0-9a-f]{40}\.pdf", letter)
        assert link
        wait_for(lambda: fetched(gate, b"kept for ten years"))
        checkpoint = gate.varco("audit", "checkpoint")
        folder = Path(gate.script("backup.sh").strip())
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
        with tarfile.open(folder / "secrets.tar") as secrets:
            assert {"var/admin.token", "var/secrets/relay.key", ".env"} <= {*secrets.getnames()}
        gate.compose("--profile", "*", "down", "--volumes", "--timeout", "10")
        missing = gate.home / "secrets" / "filelink.key"
        missing.unlink()  # as after a backup of a version that had none

        gate.script("restore.sh", str(folder))
        assert stat.S_IMODE(missing.stat().st_mode) == 0o600
        start(gate)
        assert httpx.get(link[0], timeout=30).content == file
        assert len(wait_for(lambda: fetched(gate, b"kept for ten years"))) == 1
        queue = gate.json("queue", "list", "--account", "dead")
        assert queue["untried"] + len(queue["mails"]) == 1
        (files / "checkpoint").write_text(checkpoint)
        gate.varco("audit", "verify", "--checkpoint", "checkpoint")
        gate.varco("routes", "set", "dead", "catcher:2525", "--tls", "none")
        wait_for(lambda: gate.caught("waits@dest.test"), 120)
        assert not gate.caught("kept@dest.test"), "what was delivered isn't delivered again"
        with pytest.raises(AssertionError, match="restore into an empty bus"):
            gate.script("restore.sh", str(folder))
    finally:
        gate.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "10")


def start(gate: Deployment) -> None:
    gate.compose("build", "--quiet", "prepare")
    gate.compose("--profile", "demo", "build", "--quiet")
    gate.compose("--profile", "demo", "up", "--detach", "--wait", "--wait-timeout", "300")


def heavy(file: bytes) -> bytes:
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = ALICE, "heavy@dest.test", "the plans"
    letter.set_content("Here they are.\n")
    letter.add_attachment(file, maintype="application", subtype="pdf", filename="plans.pdf")
    return letter.as_bytes().replace(b"\n", b"\r\n")
