"""Writes docs/cli.md from the commands: `python -m varco_cli.reference docs/cli.md`.

With --check it only compares the file.
"""

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

- `varco` alone lists the commands, `varco -h` describes each, `varco COMMAND -h` one of them.
- `varco --version` prints the version.
- `varco --install-completion` makes the shell (bash, zsh, fish) complete commands, options and
  accounts with the tab key, from the next shell on. `--show-completion` prints what it installs.
- Every command that answers takes `--json`: times are in UTC and sizes in bytes there. For people,
  times are in the zone of the machine that runs `varco`; `TZ=UTC varco ...` prints UTC.
- Tables are as wide as the terminal, and no id or link is broken. In a pipe, each row is one line.
  `NO_COLOR=1` turns colours off.

The exit code says how a command ended:

"""


def pages(command: Any, name: str) -> Iterator[str]:
    """Yields a section for each command, in the order of the help text."""
    if hasattr(command, "list_commands"):
        if command.invoke_without_command and name != "varco":  # a group that does something by itself, as demo
            yield from _page(command, name)
        context = command.make_context(name, [], resilient_parsing=True)
        for sub in command.list_commands(context):
            yield from pages(command.get_command(context, sub), f"{name} {sub}")
    else:
        yield from _page(command, name)


def _page(command: Any, name: str) -> Iterator[str]:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [
        parameter
        for parameter in command.params
        if parameter.param_type_name == "option" and parameter.name not in ("help", "as_json")
    ]
    usage = " ".join(parameter.metavar or parameter.name.upper() for parameter in arguments)
    yield f"## {name} {usage}".rstrip() + "\n"
    yield (command.help or "") + "\n"
    rows = [(f"`{parameter.metavar or parameter.name.upper()}`", parameter.help) for parameter in arguments]
    rows += [
        (", ".join(f"`{flag}`" for flag in (*parameter.opts, *parameter.secondary_opts)), parameter.help)
        for parameter in options
    ]
    if rows:
        yield "| | |\n|---|---|\n" + "".join(f"| {left} | {right or ''} |\n" for left, right in rows)


def text() -> str:
    """Returns the whole page."""
    codes = "\n".join(line for line in (failures.__doc__ or "").splitlines() if line.startswith("|"))
    return HEAD + codes + "\n\n" + "\n".join(pages(typer.main.get_command(app), "varco"))


def main() -> None:
    """Writes or compares the file. Exit code 1 where --check finds it stale."""
    file, check = Path(sys.argv[1]), "--check" in sys.argv
    if not check:
        file.write_text(text())
    elif file.read_text() != text():
        sys.exit(f"{file} is stale: run `make docs`")


if __name__ == "__main__":
    main()
