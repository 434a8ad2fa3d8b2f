"""Writes docs/cli.md from the commands themselves: `python -m varco_cli.reference docs/cli.md`; with --check only compares."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from varco_cli import failures
from varco_cli.main import app

HEAD = """\
# The command line

`varco` talks to the services' HTTP APIs. It finds them through `VARCO_HOME` (`./var`), or through
`VARCO_APIS=policy=http://host:port,relay=...`; its token is `VARCO_TOKEN`, or the file `admin.token` in VARCO_HOME.
Every command but `up` takes `--json`.

"""


def pages(command: Any, name: str) -> Iterator[str]:
    """One section for each command, in the order of the help text."""
    if inner := getattr(command, "commands", None):
        for sub, one in inner.items():
            yield from pages(one, f"{name} {sub}")
        return
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and one.name not in ("help", "as_json")]
    wanted = " ".join(one.metavar or one.name.upper() for one in arguments)
    yield f"## {name} {wanted}".rstrip() + "\n"
    yield (command.help or "") + "\n"
    rows = [(f"`{one.metavar or one.name.upper()}`", one.help) for one in arguments]
    rows += [(", ".join(f"`{flag}`" for flag in (*one.opts, *one.secondary_opts)), one.help) for one in options]
    if rows:
        yield "| | |\n|---|---|\n" + "".join(f"| {left} | {right or ''} |\n" for left, right in rows)


def text() -> str:
    """The whole page."""
    codes = "\n".join(line for line in (failures.__doc__ or "").splitlines() if line.startswith("|"))
    return HEAD + codes + "\n\n" + "\n".join(pages(typer.main.get_command(app), "varco"))


def main() -> None:
    """Exit code 1 where --check finds the file stale."""
    file, check = Path(sys.argv[1]), "--check" in sys.argv
    if not check:
        file.write_text(text())
    elif file.read_text() != text():
        sys.exit(f"{file} is stale: make docs")


if __name__ == "__main__":
    main()
