"""What commands print."""

import errno
import os

import pytest

from varco_cli import failures, output


@pytest.mark.parametrize("text", ["\x1b]0;owned\x07", "\x9b31m", "a\r\nb", "\u202egnp.exe"])
def test_nobody_writes_to_an_operators_terminal(text, capsys):
    output.line(text)
    output.table(["login"], [[text], [[text]]])
    output.record({"login": {"a": text}})
    assert not {"\x1b", "\x07", "\x9b", "\r", "\u202e"} & {*capsys.readouterr().out}


def test_a_line_is_one_line(capsys):
    output.line("AuthFailed login=x\n2026-11-24 HostUnbanned")
    assert capsys.readouterr().out.count("\n") == 1


def test_a_file_that_a_container_cannot_write_is_told_where_to_go() -> None:
    read_only = OSError(errno.EROFS, os.strerror(errno.EROFS), "acme.mbox")
    assert failures.in_words(read_only) == "Read-only file system: with Docker, write below /exports"
    assert failures.in_words(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))) == "No space left on device"
