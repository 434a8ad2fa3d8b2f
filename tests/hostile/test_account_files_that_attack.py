"""A hostile or broken account file ends `varco apply` with one line, soon."""

import time

import pytest
from typer.testing import CliRunner

from varco_cli.account_file import parsed
from varco_cli.failures import Misused
from varco_cli.main import app

BOMB = "account: acme\na: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

LONG = f"account: acme\nsenders:\n- &x {'x' * 100_000}\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOMB, "that aliases stand for"),
        (LONG + "- *x\n" * 100, "characters, with those that aliases stand for"),
        (LONG + "- {? *x : y}\n" * 100, "characters, with those that aliases stand for"),
        ("account: acme\nsenders: &x [*x]", "alias inside"),
        ("account: acme\nrules: &x {max_size: *x}", "alias inside"),
        ("&x account: acme\n? *x\n: y", "twice"),
        ("&x\naccount: acme\n? *x\n: y", "a key is a word"),
        ("account: acme\n? [a, b]\n: c", "a key is a word"),
        ("account: acme\nrules: {? {a: b} : c}", "a key is a word"),
        ("account: acme\nsenders: " + "[" * 50 + "]" * 50, "levels"),
        ("account: acme\nsenders: " + "[" * 20_000, "levels"),
        ("account: acme\nusers: !!python/object/apply:os.system [id]", "must be in quotes"),
        ("account: acme\nrules: !!binary aGk=", "can't have"),
        ("account: acme\nrules: !!timestamp 2026-99-99", "can't have"),
        ("account: acme\nrules: {max_size: .nan}", "can't have"),
        ("account: acme\nrules: {max_size: " + "9" * 5_000 + "}", "can't have"),
        ("account: acme\nrules: !!set {a, b}", "can't have"),
        ("account: acme\nrules: {<<: [a]}", "<< takes keys with values"),
        ("account: a\x01b", "control character"),
    ],
)
def test_the_file_is_refused_in_one_line_and_at_once(text, why):
    started = time.monotonic()
    with pytest.raises(Misused) as refusal:
        parsed("acme.yaml", text)
    assert why in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1
    assert time.monotonic() - started < 30  # an attack would take hours


def test_an_alias_that_somebody_means_is_taken():
    text = "account: acme\nsenders: &all ['@acme.example']\nhosts: *all"
    assert parsed("acme.yaml", text).sections == {"senders": ["@acme.example"], "hosts": ["@acme.example"]}


def test_the_command_prints_one_line(tmp_path, monkeypatch):
    file = tmp_path / "bomb.yaml"
    file.write_text(BOMB)
    monkeypatch.setenv("VARCO_HOME", str(tmp_path))
    answer = CliRunner().invoke(app, ["apply", "-f", str(file), "--yes"])
    assert answer.exit_code
    assert not answer.exception or isinstance(answer.exception, SystemExit | Misused)
