"""The files of settings that docker compose reads: which variable has an effect where."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from varco_cli.checks.env_file import Assignment
from varco_cli.checks.finding import CheckFinding
from varco_cli.stack.variable_names import meant

_PORT = re.compile(r"\$\{(VARCO_\w+_PORT):-(\d+)\}")
_USED = re.compile(r"\$\{(VARCO_[A-Z0-9_]+)")
_OF_THE_CONTAINER = {
    "VARCO_API_PORT": "remove it: inside the containers nothing else takes the port",
    "VARCO_BIND": "remove it, and name the address to listen on as VARCO_PUBLISH in .env",
    "VARCO_HOME": "write it into .env",
}
_EMBEDDED = "remove it: it is for `varco up`, not for docker compose"


def interpolated(folder: Path) -> set[str]:
    """Returns the variables that the compose files in this folder name."""
    return {name for file in folder.glob("*compose*.y*ml") for name in _USED.findall(file.read_text())}


def port_variables(folder: Path, lines: Sequence[Assignment]) -> dict[int, str]:
    """Returns the variable of each published port, as .env or else the compose files set it."""
    texts = "".join(file.read_text() for file in folder.glob("*compose*.y*ml"))
    values = dict(_PORT.findall(texts)) | {line.name: line.value for line in lines if line.name.endswith("_PORT")}
    return {int(value): name for name, value in values.items() if value.isdigit()}


def check_env(lines: Sequence[Assignment], used: Iterable[str], settings: Iterable[str]) -> Iterator[CheckFinding]:
    """Yields a finding for each variable of .env that the compose files don't name."""
    used, settings = set(used), set(settings)
    for name, _, where in lines:
        if not name.startswith("VARCO_") or name in used:
            continue
        if name in settings:
            yield CheckFinding(where=where, what=f"{name} has no effect in this file", write="write it into varco.env")
        else:
            yield _misspelt(where, name, used | settings)


def check_settings(
    lines: Sequence[Assignment],
    used: Iterable[str],
    settings: Iterable[str],
    embedded: Iterable[str],
    environments: Mapping[str, Mapping[str, str]],
) -> Iterator[CheckFinding]:
    """Yields a finding for each variable of varco.env that no service takes from there.

    `settings` are those of the services, `embedded` those of `varco up`.
    """
    used, settings, embedded = set(used), set(settings), set(embedded)
    for name, value, where in lines:
        if not name.startswith("VARCO_"):
            continue
        if name in _OF_THE_CONTAINER:
            yield CheckFinding(where=where, what=f"{name} is set for each container", write=_OF_THE_CONTAINER[name])
        elif name in used:
            yield CheckFinding(where=where, what=f"{name} has no effect in this file", write="write it into .env")
        elif name in settings:
            yield from _overruled(name, value, where, environments)
        elif name in embedded:
            yield CheckFinding(where=where, what=f"{name} has no effect here", write=_EMBEDDED)
        else:
            yield _misspelt(where, name, used | settings)


def _overruled(
    name: str, value: str, where: str, environments: Mapping[str, Mapping[str, str]]
) -> Iterator[CheckFinding]:
    """The compose files set it for some services: there, the file has no effect."""
    given = {variables.get(name) for variables in environments.values()} - {None, value}
    if given and value not in {variables.get(name) for variables in environments.values()}:
        yield CheckFinding(
            where=where,
            what=f"{name} has no effect: docker-compose.yml sets it for each service",
            write="remove it, or set it in compose.override.yml",
        )


def _misspelt(where: str, name: str, known: Iterable[str]) -> CheckFinding:
    return CheckFinding(where=where, what=f"{name} is no setting", write=meant(name, known))
