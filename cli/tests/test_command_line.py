"""What every command line has: help, a version, an overview, completion, a quick start."""

import os
import pty
import select
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest
import typer.main

from varco_cli import catalogue, output, times
from varco_cli.failures import Misused

from .conftest import Varco

HEAVY = ("rich", "sqlalchemy", "fastapi", "structlog", "nats", "minio", "cryptography", "yaml", "asyncpg")

VERBS = {  # scripts use them
    "accounts": "close list open",
    "apply": "",
    "archive": "disable enable export remove search status",
    "audit": "balance check checkpoint export key prove rotate-key verify",
    "backup": "",
    "bans": "add ignore ignored lift list log rules show stopped unignore",
    "deadletters": "drop list redeliver show",
    "demo": "",
    "down": "",
    "events": "export list tail",
    "init": "",
    "links": "extend list revoke show",
    "networks": "list trust withdraw",
    "notices": "list reset set",
    "prepare": "",
    "queue": "drop hold list release retry show",
    "quota": "except list reset set show",
    "replay": "rebuild verify",
    "restart": "",
    "restore": "",
    "routes": "list remove set show",
    "rules": "set show",
    "senders": "add list remove test",
    "show": "",
    "state": "",
    "status": "",
    "tokens": "issue list revoke",
    "trace": "",
    "up": "",
    "users": "import list put remove",
    "whatif": "",
}


@pytest.mark.parametrize("name", VERBS)
def test_no_verb_is_lost(name: str) -> None:
    command = typer.main.get_command(catalogue.load(name))
    verbs = {*getattr(command, "commands", {})}
    assert {*VERBS[name].split()} <= verbs, name


STREAMS = {  # what they print is for programs already, or they run until they are ended
    ("up",),
    ("events", "export"),
    ("audit", "prove"),
    ("account", "schema"),
}


@pytest.mark.parametrize("name", sorted(catalogue.ENTRIES))
def test_every_command_that_answers_can_answer_in_json(name: str) -> None:
    command = typer.main.get_command(catalogue.load(name))
    leaves = {(name, verb): leaf for verb, leaf in getattr(command, "commands", {}).items()} or {(name,): command}
    for path, leaf in leaves.items():
        flags = {flag for parameter in leaf.params for flag in parameter.opts}
        assert ("--json" in flags) is (path not in STREAMS), path


def test_the_version_is_that_of_the_package(varco: Varco) -> None:
    assert varco("--version").out == f"varco {version('varco-cli')}\n"


def test_varco_alone_is_a_short_overview_with_every_command(varco: Varco) -> None:
    ended = varco()
    assert ended.code == 0
    assert len(ended.out.splitlines()) < 20
    assert {*catalogue.ENTRIES} <= {word.strip(",") for word in ended.out.split()}


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", [(), ("queue",), ("queue", "list"), ("status",)])
def test_help_is_a_letter_away(varco: Varco, command: tuple[str, ...], option: str) -> None:
    ended = varco(*command, option)
    assert ended.code == 0
    assert "Usage:" in ended.out


def test_the_help_has_the_commands_in_groups_on_one_line_each(varco: Varco) -> None:
    lines = varco("-h").out.splitlines()
    assert [line for line in lines if line in {f"{title}:" for title in catalogue.SECTIONS}] == [
        f"{title}:" for title in catalogue.SECTIONS
    ]
    for name, entry in catalogue.ENTRIES.items():
        assert [line for line in lines if line.split() == [name, *entry.about.split()]], name


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("senders", "-h"), 0, "Usage: varco senders"),
        (("senders", "add", "-h"), 0, "Authorises a sender."),
        (("senders", "lst"), 2, "Did you mean 'list'?"),
        (("senders", "add"), 2, "Missing argument 'ACCOUNT'"),
        (("quota", "top", "--by", "nonsense"), 2, "Invalid value for '--by'"),
        (
            ("quota", "top", "--limit", "ten"),
            2,
            "Invalid value for '--limit' / '-n': ten: expected a number, such as 500",
        ),
        (("status",), 3, "no stack runs in"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_program_explains_itself(arguments: tuple[str, ...], code: int, words: str, tmp_path: Path) -> None:
    """As the installed script runs it: with everything that main() does before."""
    varco = Path(sys.executable).with_name("varco")
    environment = {**os.environ, "VARCO_HOME": str(tmp_path)}
    done = subprocess.run([varco, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, words in done.stdout + done.stderr) == (code, True)
    assert "Traceback" not in done.stderr


def test_a_misspelt_command_is_corrected(varco: Varco) -> None:
    ended = varco("sendrs", "list")
    assert ended.code == 2
    assert "Did you mean 'senders'" in ended.error


@pytest.mark.parametrize("name", sorted(catalogue.ENTRIES))
def test_every_command_of_the_catalogue_is_there(name: str) -> None:
    app = catalogue.load(name)
    assert app.registered_commands


@pytest.mark.parametrize("arguments", [("--version",), ("senders", "list", "acme"), ("queue", "list"), ("status",)])
def test_a_plain_command_loads_nothing_heavy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """The time of a start is the time of its imports."""
    program = (
        "import sys\n"
        "from varco_cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    pass\n"
        f"print('loaded:', *sorted(name for name in {HEAVY!r} if sys.modules.get(name)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "VARCO_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "loaded:"


@pytest.mark.parametrize(
    ("words", "expected"),
    [("varco sen", {"senders"}), ("varco senders ", {"list", "add", "remove", "test"}), ("varco queue ho", {"hold"})],
)
def test_the_shell_completes_commands(words: str, expected: set[str], tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "VARCO_HOME": str(tmp_path),
        "_VARCO_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    varco = Path(sys.executable).with_name("varco")
    done = subprocess.run([varco], env=environment, capture_output=True, text=True, check=False)
    assert {*done.stdout.split()} == expected


def test_times_are_local_with_their_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Rome")
    time.tzset()
    try:
        assert times.local("2026-11-29T13:05:03.123456Z") == "2026-11-29 14:05:03 CET"
        assert times.local("2026-07-01T13:05:03Z") == "2026-07-01 15:05:03 CEST"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_progress_never_runs_into_the_text() -> None:
    """On a terminal, where both are on the same screen."""
    program = (
        "import json\n"
        "from varco_cli.replay_output import without_progress\n"
        "progress = json.dumps({'line': 'progress', 'part': 0.5, 'mails': 7})\n"
        "lines = [progress, json.dumps({'line': 'mail'}), progress, json.dumps({'line': 'done'})]\n"
        "for line in without_progress(lines, 'deciding again'):\n"
        "    print(line['line'], flush=True)\n"
    )
    screen = on_a_terminal([sys.executable, "-c", program])
    assert "50%" in screen
    assert [after_erasing(line) for line in screen.rstrip("\n").split("\n")] == ["mail", "done"]


def on_a_terminal(command: list[str]) -> str:
    """Returns what the command writes to its terminal."""
    reader, writer = pty.openpty()
    with subprocess.Popen(command, stdin=writer, stdout=writer, stderr=writer) as child:
        os.close(writer)
        written = b""
        while True:
            select.select([reader], [], [])
            try:
                part = os.read(reader, 4096)
            except OSError:  # the last writer has closed it
                break
            if not part:
                break
            written += part
        child.wait()
    os.close(reader)
    return written.decode().replace("\r\n", "\n")


def after_erasing(line: str) -> str:
    """Returns what is left of a line: `\\r` and the sequence that erases to its end."""
    return line.rpartition("\r\x1b[K")[2] if "\r" in line else line


def test_without_a_terminal_there_is_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    bar = output.TerminalProgress()
    bar.show("half")
    bar.clear()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("text", ["18:00", "06:30:15"])
def test_a_time_of_day_is_the_last_one_or_the_next_one(text: str) -> None:
    now = datetime.now(UTC)
    before, after = times.moment(text, "--since"), times.later(text, "--until")
    assert now - timedelta(days=1, minutes=1) <= before <= now + timedelta(minutes=1)
    assert now - timedelta(minutes=1) <= after <= now + timedelta(days=1, minutes=1)
    assert {at.astimezone().strftime("%H:%M") for at in (before, after)} == {text[:5]}


@pytest.mark.parametrize("text", ["24/12/2026", "25:00", "1800", "tomorrow", ""])
def test_another_time_is_refused_with_an_example(text: str) -> None:
    for read in (times.moment, times.later):
        with pytest.raises(Misused, match=r"--until .*: expected how long .* 2026-11-24T10:00"):
            read(text, "--until")
