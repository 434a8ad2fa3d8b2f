"""`varco archive` over a real stack: enables, searches, exports, removes, disables."""

import json
import mailbox
import smtplib
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from varco_cli.stack import Stack

ACCOUNT = "kept"
FILE = f"""\
account: {ACCOUNT}
senders: ["@{ACCOUNT}.example"]
networks: ["127.7.0.0/16"]
route: blackhole
"""


def sent(stack: Stack, subject: str) -> None:
    text = f"From: a@{ACCOUNT}.example\r\nSubject: {subject}\r\n\r\n.hello\r\n"
    with smtplib.SMTP(stack.settings.bind, stack.ports.smtp, timeout=30, source_address=("127.7.0.1", 0)) as client:
        client.sendmail(f"a@{ACCOUNT}.example", ["bob@elsewhere.example", "blind@elsewhere.example"], text)


def test_copies_are_turned_on_found_taken_out_and_turned_off(
    stack: Stack, varco: Callable[..., Any], tmp_path: Path
) -> None:
    home = stack.home.path

    def archive(*arguments: str, given: str = "") -> Any:
        return varco("archive", *arguments, home=home, given=given)

    assert varco("apply", "-f", "-", "--yes", home=home, given=FILE).code == 0
    untold = archive("enable", ACCOUNT, "--forward", "boss@kept.example")
    assert (untold.code, "senders must be told" in untold.error) == (1, True)
    told = ("--senders-told", "HR, 2026-11-02", "--pop3", "box@kept.example", "--password-stdin")
    assert archive("enable", ACCOUNT, *told, given="another-secret\n").code == 0
    unasked = archive("enable", ACCOUNT, "--keep", "3 days")
    assert unasked.code == 2
    assert "Delete the copies that are older than 3 days?" in unasked.error
    shorter = archive("enable", ACCOUNT, "--keep", "3 days", "--yes")
    assert shorter.out.startswith("~ archive keep 1 week -> 3 days")
    for subject in ("first", "second"):
        sent(stack, subject)
    until = time.monotonic() + 20
    while len(json.loads(archive("search", ACCOUNT, "--json").out)) < 2:
        assert time.monotonic() < until
    today = datetime.now(UTC).date().isoformat()
    found = json.loads(archive("search", ACCOUNT, "--subject", "SECOND", "--day", today, "--json").out)
    assert [one["recipients"] for one in found] == [["bob@elsewhere.example", "blind@elsewhere.example"]]
    assert "no copy is like that" in archive("search", ACCOUNT, "--recipient", "nobody@").out

    box = tmp_path / "copies.mbox"
    assert archive("export", ACCOUNT, str(box), "--since", today).code == 0
    with closing(mailbox.mbox(box)) as exported:
        assert [(mail["Subject"], mail.get_payload()) for mail in exported] == [
            ("first", ".hello\n"),
            ("second", ".hello\n"),
        ]
    assert archive("export", ACCOUNT, str(box)).code == 2
    assert archive("export", ACCOUNT, str(tmp_path / "nowhere" / "copies.mbox")).code == 2
    piped = tmp_path / "piped.mbox"
    piped.write_text(archive("export", ACCOUNT, "-", "--since", today).out)
    with closing(mailbox.mbox(piped)) as exported:
        assert [mail["Subject"] for mail in exported] == ["first", "second"]
    assert archive("export", ACCOUNT, "-", "--format", "maildir").code == 2
    folder = tmp_path / "Maildir"
    assert archive("export", ACCOUNT, str(folder), "--format", "maildir").out == f"2 copies are in {folder}\n"

    assert archive("remove", ACCOUNT, found[0]["mail"], "--reason", "asked for").code == 0
    (status,) = [one for one in json.loads(archive("status", "--json").out) if one["account"] == ACCOUNT]
    assert (status["copies"], status["login"], status["keep"]) == (1, "box@kept.example", "3 days")
    assert archive("disable", ACCOUNT).code == 2
    assert archive("disable", ACCOUNT, "--yes").code == 0
    assert ACCOUNT not in archive("status").out
