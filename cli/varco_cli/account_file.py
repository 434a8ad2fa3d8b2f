"""Reads account files, and the secrets that are in files beside them."""

from pathlib import Path
from typing import Any

import typer

from varco_cli.account_secrets import with_secrets
from varco_cli.failures import Misused
from varco_common.account_file.parsing import AccountFile, AccountFileError, Place


def read(file: str) -> AccountFile:
    """Reads an account from a file or from standard input (`-`). Raises Misused."""
    name = "standard input" if file == "-" else file
    return parsed(name, _decoded(name, _bytes_of(file)))


def _bytes_of(file: str) -> bytes:
    try:
        return typer.get_binary_stream("stdin").read() if file == "-" else Path(file).read_bytes()
    except FileNotFoundError:
        raise Misused(f"{file}: no such file") from None
    except IsADirectoryError:
        raise Misused(f"{file} is a folder: name the account's file in it") from None
    except OSError as error:
        raise Misused(f"{file} can't be read: {(error.strerror or 'unknown reason').lower()}") from None


def _decoded(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Misused(f"{name}, line {line} is not UTF-8: save the file as UTF-8") from None


def parsed(name: str, text: str) -> AccountFile:
    """The account that the text describes. Raises Misused."""

    def completion(content: dict[str, Any], place: Place) -> dict[str, Any]:
        return with_secrets(content, Path(name).parent, place)

    try:
        return AccountFile(name, text, completion)
    except AccountFileError as error:
        raise Misused(str(error)) from None
