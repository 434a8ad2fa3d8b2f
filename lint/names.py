"""Names of public classes and modules: one meaning each, and no words of a private language."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from lint.finding import Finding
from lint.words import CLASSES, MODULES

SEVERAL_ALLOWED = {
    "Settings": "each service's own settings; the base class of all has the same name",
}
"""Class names that may be defined more than once, each with the reason."""

_PRODUCTION = {"libs", "services", "cli"}
_EXEMPT = {"tests", "testing", "migrations"}


def duplicates(files: Iterable[Path]) -> Iterator[Finding]:
    """One finding for each definition of a class name that another module defines, too."""
    places = defaultdict(list)
    for file, node in _classes(files):
        places[node.name].append((file, node.lineno))
    for name, definitions in places.items():
        if len(definitions) > 1 and name not in SEVERAL_ALLOWED:
            for file, line in definitions:
                others = ", ".join(str(other) for other, _ in definitions if other != file)
                yield Finding(file, line, f"class {name} is also defined in {others or 'this file'}")


def private_words(files: Iterable[Path]) -> Iterator[Finding]:
    """One finding for each module, package and public class that has a private word as its name."""
    production = list(_production(files))
    for file in production:
        for name in {file.stem, file.parent.name if file.name == "__init__.py" else ""} & MODULES.keys():
            yield Finding(file, 1, f"module {name}: a private word, say {MODULES[name]}")
    for file, node in _classes(production):
        if word := CLASSES.get(node.name):
            yield Finding(file, node.lineno, f"class {node.name}: a private word, say {word}")


def _production(files: Iterable[Path]) -> Iterator[Path]:
    for file in files:
        if file.suffix == ".py" and file.parts[0] in _PRODUCTION and not _EXEMPT & set(file.parts):
            yield file


def _classes(files: Iterable[Path]) -> Iterator[tuple[Path, ast.ClassDef]]:
    """The public classes at the top of their modules."""
    for file in _production(files):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield file, node
