"""The ban log: its exact lines, its file across crashes and rotation, and fail2ban's tools."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from varco_banguard.ban_log_file import BanLogFile
from varco_banguard.fail2ban_format import log_line
from varco_common.events import (
    HostBanned,
    HostForgotten,
    HostFound,
    HostIgnored,
    HostUnbanned,
    Strike,
    StrikeCause,
    UnbanCause,
)

HOST = "93.184.216.34"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def strike(when: str) -> Strike:
    return Strike(sequence=1, at=at(when), cause=StrikeCause.WRONG_CREDENTIALS, host=HOST)


FOUND = HostFound(at=at("2024-08-26 01:38:01.199"), network=HOST, strike=strike("2024-08-26 01:38:00"))
AGAIN = HostFound(at=at("2024-08-26 01:38:01.404"), network=HOST, strike=strike("2024-08-26 01:38:01.9"))
BANNED = HostBanned(at=at("2024-08-26 01:38:01.9727"), network=HOST, until=None)
IGNORED = HostIgnored(
    at=at("2024-08-23 07:00:12.501"), network=HOST, strike=strike("2024-08-23 07:00:12"), ignored="93.184.216.0/24"
)
UNBANNED = HostUnbanned(at=at("2024-08-26 02:38:01"), network=HOST, cause=UnbanCause.EXPIRED)


def test_the_lines_look_as_customers_know_them():
    """The first four are the provider's own."""
    assert [
        log_line(event, pid, UTC) for event, pid in ((FOUND, 19671), (AGAIN, 19671), (BANNED, 19671), (IGNORED, 30057))
    ] == [
        "2024-08-26 01:38:01,199 fail2ban.filter         [19671]: INFO    [smtp] Found 93.184.216.34 - 2024-08-26 01:38:00",
        "2024-08-26 01:38:01,404 fail2ban.filter         [19671]: INFO    [smtp] Found 93.184.216.34 - 2024-08-26 01:38:01",
        "2024-08-26 01:38:01,972 fail2ban.actions        [19671]: NOTICE  [smtp] Ban 93.184.216.34",
        "2024-08-23 07:00:12,501 fail2ban.filter         [30057]: INFO    [smtp] Ignore 93.184.216.34 by ip",
    ]
    assert (
        log_line(UNBANNED, 7, UTC)
        == "2024-08-26 02:38:01,000 fail2ban.actions        [7]: NOTICE  [smtp] Unban 93.184.216.34"
    )
    assert log_line(HostForgotten(at=FOUND.at, network=HOST), 7, UTC) == ""


def _fail2ban() -> list[str]:
    """fail2ban-regex as installed, or of a package unpacked at VARCO_TEST_FAIL2BAN."""
    if found := shutil.which("fail2ban-regex"):
        return [found]
    root = Path(os.environ.get("VARCO_TEST_FAIL2BAN", "/nowhere"))
    program = root / "usr/bin/fail2ban-regex"
    return [sys.executable, "-W", "ignore", str(program), "-c", str(root / "etc/fail2ban")] if program.exists() else []


@pytest.mark.skipif(not _fail2ban(), reason="fail2ban-regex is not installed, nor unpacked at VARCO_TEST_FAIL2BAN")
def test_fail2bans_own_tools_read_it(tmp_path):
    log = tmp_path / "fail2ban.log"
    log.write_text("".join(f"{log_line(event, 19671)}\n" for event in (FOUND, AGAIN, BANNED, IGNORED, UNBANNED)))
    modules = Path(os.environ.get("VARCO_TEST_FAIL2BAN", "/nowhere")) / "usr/lib/python3/dist-packages"
    done = subprocess.run(
        [*_fail2ban(), str(log), "recidive"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(modules)},
    )
    assert "Lines: 5 lines, 0 ignored, 1 matched, 4 missed" in done.stdout, done.stdout + done.stderr
    assert "[5] ^ExYear" in done.stdout, "fail2ban finds the date of every line"


def test_a_line_is_written_once_over_restarts_and_crashes(tmp_path):
    path = tmp_path / "fail2ban.log"
    log = BanLogFile(path)
    log.write(7, "one")
    log.write(7, "one")
    log.close()
    with path.open("a") as file:  # the process died before it could note its position
        file.write("two\n")
    log = BanLogFile(path)
    assert log.position.sequence == 7
    log.write(8, "two")
    log.close()
    assert path.read_text() == "one\ntwo\n"


@pytest.mark.parametrize("damage", ["", "\0" * 30])
def test_a_damaged_position_writes_no_line_a_second_time(tmp_path, damage):
    path = tmp_path / "fail2ban.log"
    log = BanLogFile(path)
    log.write(7, "one")
    log.close()
    (tmp_path / ".fail2ban.log.position").write_text(damage)
    log = BanLogFile(path)
    assert log.is_position_lost
    log.skip(7)
    log.write(7, "one")
    log.write(8, "two")
    log.close()
    assert path.read_text() == "one\ntwo\n"
    assert not BanLogFile(path).is_position_lost


def test_a_rotated_file_is_left_and_a_new_one_begun(tmp_path):
    path = tmp_path / "fail2ban.log"
    log = BanLogFile(path)
    log.write(1, "one")
    path.rename(tmp_path / "fail2ban.log.1")
    log.write(2, "two")
    path.write_text("")  # copytruncate
    log.write(3, "three")
    log.close()
    log = BanLogFile(path)
    log.write(3, "three")
    log.write(4, "four")
    log.close()
    assert (tmp_path / "fail2ban.log.1").read_text() == "one\n"
    assert path.read_text() == "three\nfour\n"


def test_times_are_the_machines_own_as_fail2bans_are():
    local = FOUND.at.astimezone()
    assert log_line(FOUND, 1).startswith(f"{local:%Y-%m-%d %H:%M:%S},199")
    assert (local - FOUND.at) == timedelta(0)
