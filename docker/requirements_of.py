"""Prints the part of requirements.lock that some of its packages need, hashes included: the lock's `via` lines say who needs what.

python requirements_of.py varco-relay --beside varco-common
"""

import argparse
import re
from collections.abc import Iterable
from pathlib import Path

_NAME = re.compile(r"^([a-z0-9][a-z0-9._-]*)", re.IGNORECASE)


def blocks(lock: str) -> dict[str, list[str]]:
    """The lines of each package, by its name."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in lock.splitlines():
        if name := _NAME.match(line):
            lines = found.setdefault(name[1].lower(), [])
        lines.append(line)
    return found


def needed(lock: dict[str, list[str]], roots: Iterable[str], without: Iterable[str] = ()) -> set[str]:
    """The packages of the lock that the roots need, whatever is between; the roots too, where they are in the lock."""
    via = {
        name: {word for line in lines if "#" in line for word in line.split("#")[1].split()}
        for name, lines in lock.items()
    }
    found, left_out = {*roots}, {*without}
    while more := {name for name, users in via.items() if users & found} - found - left_out:
        found |= more
    return found & lock.keys()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="+")
    parser.add_argument("--beside", action="append", default=[], help="leave out what this package needs already")
    parser.add_argument("--without", action="append", default=[], help="leave out this one")
    asked = parser.parse_args()
    lock = blocks(Path(__file__).with_name("requirements.lock").read_text())
    roots = [*asked.packages, "varco-common"] if asked.beside else asked.packages
    if "varco-cli" in roots:
        roots += sorted(
            {word for lines in lock.values() for line in lines for word in line.split() if word.startswith("varco-")}
        )
    wanted = needed(lock, roots, asked.without) - needed(lock, asked.beside)
    print("\n".join(line for name in sorted(wanted) for line in lock[name]))


if __name__ == "__main__":
    main()
