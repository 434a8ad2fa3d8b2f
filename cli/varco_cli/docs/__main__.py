"""Writes the generated documents into a folder; with --check it only says which are stale, and fails."""

import sys
from pathlib import Path

from varco_cli.docs import answers, configuration, events

PAGES = {"events.md": events.page, "configuration.md": configuration.page, "answers.md": answers.page}
USAGE = "usage: python -m varco_cli.docs [--check] FOLDER"


def main(arguments: list[str]) -> int:
    """The exit code: 0, 1 where a page is stale, 2 for a wrong usage."""
    match arguments:
        case ["--check", folder]:
            return _check(Path(folder))
        case [folder] if not folder.startswith("-"):
            for name, page in PAGES.items():
                (Path(folder) / name).write_text(page())
            return 0
    sys.stderr.write(f"{USAGE}\n")
    return 2


def _check(folder: Path) -> int:
    stale = [name for name, page in PAGES.items() if _text(folder / name) != page()]
    for name in stale:
        sys.stderr.write(f"{folder / name} is stale: run `make docs`\n")
    return 1 if stale else 0


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
