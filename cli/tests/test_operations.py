"""operations.md, from-postfix.md, privacy.md: their commands and compose services exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from varco_cli.main import app

ROOT = Path(__file__).parents[2]
TEXT = "".join((ROOT / "docs" / page).read_text() for page in ("operations.md", "from-postfix.md", "privacy.md"))
FILES = ("docker-compose.yml", "compose.cluster.yml")


def written(text: str) -> Iterator[list[str]]:
    """Yields the words of each command in a block or in a line."""
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    rest = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", rest)
    for line in lines:
        if re.match(r"(VARCO_\w+=\S+ )?(varco|docker compose) ", line):
            yield [
                word for word in shlex.split(line.split(" > ")[0].split(" < ")[0], comments=True) if "=/" not in word
            ]


COMMANDS = [*written(TEXT)]
VARCO = [words[1:] for words in COMMANDS if words[0] == "varco"]
COMPOSE = [words[2:] for words in COMMANDS if words[0] == "docker"]
RUN = [
    words[3:] for words in COMPOSE if words[:2] == ["run", "--rm"] and words[2] in ("varco", "operator") and words[3:]
]


def parse(words: list[str]) -> None:
    """Raises click's errors as the command line does, without running the command."""
    command: Any = typer.main.get_command(app)
    name, words = "varco", [*words]
    while hasattr(command, "get_command"):
        context = command.make_context(name, [], resilient_parsing=True)
        name = words.pop(0)
        command = command.get_command(context, name)
        if command is None:
            raise KeyError(name)
    command.make_context(name, words)


@pytest.mark.parametrize("words", [*VARCO, *RUN], ids=" ".join)
def test_a_command_on_the_page_can_be_typed(words: list[str]) -> None:
    parse(words)


def test_the_page_is_read() -> None:
    assert len(VARCO) > 25
    assert ["restart"] in VARCO
    with pytest.raises(KeyError):
        parse(["queue", "forget"])


@pytest.mark.parametrize("words", COMPOSE, ids=" ".join)
def test_services_that_compose_is_told_of_are_in_its_files(words: list[str]) -> None:
    known = {name for file in FILES for name in yaml.safe_load((ROOT / file).read_text())["services"]}
    verb, *rest = words
    named = [word.partition("=")[0] for word in rest if not word.startswith("-")]
    if verb in ("run", "exec"):  # what follows the service is for the container
        named = named[:1]
    assert set(named) <= known
