"""Writes the generated pages into a folder. With --check it only names stale pages and fails."""

import json
import sys
from pathlib import Path

from varco_cli.docs import account_file, answers, configuration, events, texts
from varco_common import account_file as package
from varco_common.account_file.schema import FILE_NAME

SCHEMA = Path(package.__path__[0]) / FILE_NAME
PAGES = {
    "account-file.md": account_file.page,
    "events.md": events.page,
    "configuration.md": configuration.page,
    "answers.md": answers.page,
    "texts.md": texts.page,
}
USAGE = "usage: python -m varco_cli.docs [--check] FOLDER"


def main(arguments: list[str]) -> int:
    """Returns the exit code: 1 for a stale page or differing declarations, 2 for wrong usage."""
    try:
        match arguments:
            case ["--check", folder]:
                return _check(Path(folder))
            case [folder] if not folder.startswith("-"):
                return _write(Path(folder))
    except configuration.DifferingDeclarations as error:
        sys.stderr.write(f"{error}: declare it once\n")
        return 1
    sys.stderr.write(f"{USAGE}\n")
    return 2


def _check(folder: Path) -> int:
    stale = [file for file, text in _files(folder) if _text(file) != text]
    for file in stale:
        sys.stderr.write(f"{file} is stale: run `make docs`\n")
    return 1 if stale else 0


def _write(folder: Path) -> int:
    for file, text in _files(folder):
        file.write_text(text)
    return 0


def _files(folder: Path) -> list[tuple[Path, str]]:
    """Returns the pages in the folder, and the schema, which the command line prints."""
    pages = [(folder / name, page()) for name, page in PAGES.items()]
    return [*pages, (SCHEMA, json.dumps(account_file.schema(), indent=1, ensure_ascii=False) + "\n")]


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
