"""Prints what breaks the rules for names and prose below the given paths, and then fails.

Usage: python -m lint [PATH ...]    (without a path: the whole tree)
"""

import subprocess
import sys
from pathlib import Path

from lint import names, prose

ROOT = Path.cwd()


def main(arguments: list[str]) -> int:
    """The exit code: 0 without findings, else 1."""
    files = _tracked()
    findings = [*names.duplicates(files), *names.private_words(files), *prose.long_lines(files)]
    findings = [finding for finding in findings if _is_below(finding.path, arguments)]
    for finding in sorted(findings):
        print(finding)
    long_comments = _ruff_fails(arguments)
    return 1 if findings or long_comments else 0


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout  # noqa: S607
    return [Path(name) for name in listed.split("\0") if name and Path(name).is_file()]


def _is_below(file: Path, arguments: list[str]) -> bool:
    return not arguments or any(file.resolve().is_relative_to(Path(argument).resolve()) for argument in arguments)


def _ruff_fails(arguments: list[str]) -> bool:
    """Ruff finds the long comments and docstrings of Python files (W505)."""
    options = ["--select", "W505", "--config", f"lint.pycodestyle.max-doc-length={prose.COLUMNS}"]
    command = [sys.executable, "-m", "ruff", "check", "--quiet", "--output-format", "concise", *options]
    return subprocess.run([*command, *(arguments or ["."])], check=False).returncode != 0  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
