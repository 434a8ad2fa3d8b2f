"""Real clients send: smtplib, aiosmtplib, swaks, curl and msmtp, with TLS and a login."""

import asyncio
import shutil
import smtplib
import subprocess
import uuid
from pathlib import Path

import aiosmtplib
import pytest

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, mail, trusting
from varco_common.testing.waiting import eventually

LOGIN, PASSWORD = "alice@acme.test", "correct-horse"
STRANGER = "127.0.0.90"


def new_recipient() -> str:
    return f"{uuid.uuid4().hex[:8]}@dest.test"


def run(*command: str, stdin: bytes = b"") -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


def test_smtplib_over_tls(gate: Gate, hop: Hop) -> None:
    recipient = new_recipient()
    with smtplib.SMTP_SSL("127.0.0.1", gate.ports.smtps, context=trusting(), source_address=(STRANGER, 0)) as client:
        client.login(LOGIN, PASSWORD)
        client.sendmail(LOGIN, [recipient], mail(LOGIN))
    assert hop.mail_for(recipient).sender == LOGIN


def test_aiosmtplib_on_the_submission_port(gate: Gate, hop: Hop) -> None:
    recipient = new_recipient()

    async def send() -> None:
        login = {"username": LOGIN, "password": PASSWORD}
        client = aiosmtplib.SMTP(
            hostname="127.0.0.1", port=gate.ports.submission, start_tls=True, tls_context=trusting(), **login
        )
        async with client:
            await client.sendmail(LOGIN, [recipient], mail(LOGIN))
            assert client.transport
            connection = client.transport.get_extra_info("socket")
        await eventually(lambda: connection.fileno() == -1)  # it doesn't wait for the end of TLS

    asyncio.run(send())
    assert hop.mail_for(recipient).sender == LOGIN


def test_swaks(gate: Gate, hop: Hop) -> None:
    recipient = new_recipient()
    run(
        "swaks",
        "--server",
        f"127.0.0.1:{gate.ports.submission}",
        "--tls",
        "--auth",
        "LOGIN",
        "--auth-user",
        LOGIN,
        "--auth-password",
        PASSWORD,
        "--from",
        LOGIN,
        "--to",
        recipient,
        "--local-interface",
        STRANGER,
    )
    assert hop.mail_for(recipient).sender == LOGIN


def test_curl(gate: Gate, hop: Hop, tmp_path: Path) -> None:
    recipient = new_recipient()
    (tmp_path / "mail.eml").write_bytes(mail(LOGIN))
    run(
        "curl",
        "--silent",
        "--show-error",
        "--ssl-reqd",
        "--insecure",
        "--interface",
        STRANGER,
        "--user",
        f"{LOGIN}:{PASSWORD}",
        "--mail-from",
        LOGIN,
        "--mail-rcpt",
        recipient,
        "--upload-file",
        str(tmp_path / "mail.eml"),
        f"smtp://127.0.0.1:{gate.ports.submission}",
    )
    assert hop.mail_for(recipient).sender == LOGIN


def test_msmtp(gate: Gate, hop: Hop) -> None:
    recipient = new_recipient()
    run(
        "msmtp",
        "--host=127.0.0.1",
        f"--port={gate.ports.smtps}",
        "--tls=on",
        "--tls-starttls=off",
        "--tls-certcheck=off",
        "--auth=on",
        f"--user={LOGIN}",
        f"--passwordeval=echo {PASSWORD}",
        f"--from={LOGIN}",
        f"--source-ip={STRANGER}",
        recipient,
        stdin=mail(LOGIN),
    )
    assert hop.mail_for(recipient).sender == LOGIN
