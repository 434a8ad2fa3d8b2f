"""Every regular expression that meets input from outside takes linear time, whatever the input.

Each expression of the services is tried with texts that are made for it: a beginning that it
matches, then something repeated, then an end that it does not match. That is what makes an
expression backtrack.
"""

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from pathlib import Path
from re import _constants as parts
from re import _parser as parser
from types import ModuleType

import pytest

import varco_archive
import varco_audit
import varco_banguard
import varco_common
import varco_domains
import varco_filelink
import varco_ingress_smtp
import varco_policy
import varco_ratelimit
import varco_relay

SERVICES = (
    *(varco_archive, varco_audit, varco_banguard, varco_common, varco_domains, varco_filelink),
    *(varco_ingress_smtp, varco_policy, varco_ratelimit, varco_relay),
)
# These see what an operator writes, or what the service itself has made.
TRUSTED = {"varco_common.testing"}
SHORT = (8, 16, 20, 24, 64, 500, 2_000)  # characters: what is exponential is known by them, and ends early
LONG = 4_000
SUSPICIOUS = 0.002  # seconds: linear expressions take a tenth of it for LONG, others ten times as much
GROWTH = 8  # times the time for four times the size is more than linear; quadratic would be sixteen
ENDS = ("", "!", "\0", "x")
MAX_BEGINNINGS, MAX_REPEATED = 8, 12
# What is not linear sees so many bytes at most; at this size it takes no longer than SUSPICIOUS.
BOUNDED = {"varco_common.mime.content._ALMOST_TYPE": 256}


def modules() -> Iterator[ModuleType]:
    for package in SERVICES:
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            name = module.name
            if not any(name.startswith(trusted) for trusted in TRUSTED) and not name.endswith(("__main__", ".env")):
                yield importlib.import_module(name)


def patterns_in(value: object) -> Iterator[re.Pattern]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from patterns_in(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from patterns_in(inner)


def inline_patterns(module: ModuleType) -> Iterator[re.Pattern]:
    """The expressions that a function gives to `re` itself."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr != "compile"  # those are the module's own names
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str | bytes)
        ):
            yield re.compile(node.args[0].value)


def collected() -> dict[str, re.Pattern]:
    found: dict[str, re.Pattern] = {}
    for module in modules():
        for name, value in vars(module).items():
            for pattern in patterns_in(value):
                found.setdefault(f"{module.__name__}.{name} {pattern.pattern!r:.60}", pattern)
        for pattern in inline_patterns(module):
            found.setdefault(f"{module.__name__} {pattern.pattern!r:.60}", pattern)
    unique = {(pattern.pattern, pattern.flags): name for name, pattern in reversed(found.items())}
    return {name: found[name] for name in sorted(unique.values())}


PATTERNS = collected()
SOURCES = {module.__name__: Path(module.__file__).read_text(encoding="utf-8") for module in modules()}


def is_searched_for(name: str) -> bool:
    """Whether the expression is looked for anywhere in a text, and not at one place only."""
    module, _, word = name.partition(" ")[0].rpartition(".")
    source = SOURCES.get(module, "") if word.startswith("_") else "\n".join(SOURCES.values())
    uses = set(re.findall(rf"\b{word}(?:\[[^\n]*\])?\.(match|fullmatch|search|finditer|findall|sub|split)\(", source))
    return not uses or not uses <= {"match", "fullmatch"}


def sample(sequence, *, many: int = 1) -> str:
    """A text that this part of an expression matches, or nearly so."""
    return "".join(_sample(op, value, many) for op, value in sequence)


def _sample(op, value, many: int) -> str:
    match op:
        case parts.LITERAL:
            return chr(value)
        case parts.NOT_LITERAL:
            return "a" if chr(value) != "a" else "b"
        case parts.ANY:
            return "a"
        case parts.IN:
            return next(iter(_members(value)))
        case parts.MAX_REPEAT | parts.MIN_REPEAT | parts.POSSESSIVE_REPEAT:
            low, high, inner = value
            return sample(inner, many=many) * max(low, min(many, high if high is not parts.MAXREPEAT else many))
        case parts.SUBPATTERN:
            return sample(value[-1], many=many)
        case parts.ATOMIC_GROUP:
            return sample(value, many=many)
        case parts.BRANCH:
            return sample(value[1][0], many=many)
        case _:
            return ""  # positions, look-around, references


CATEGORY = {
    parts.CATEGORY_DIGIT: "1",
    parts.CATEGORY_SPACE: " ",
    parts.CATEGORY_WORD: "a",
    parts.CATEGORY_NOT_DIGIT: "a",
    parts.CATEGORY_NOT_SPACE: "a",
    parts.CATEGORY_NOT_WORD: "!",
}


def _members(value) -> list[str]:
    """Some characters of a class."""
    if value[0][0] is parts.NEGATE:
        pattern = _class(value)
        return [char for char in "a0 -.\t!_\n" if pattern.match(char)] or ["\x7f"]
    chars = []
    for op, item in value:
        if op is parts.LITERAL:
            chars.append(chr(item))
        elif op is parts.RANGE:
            chars += [chr(item[0]), chr(item[1])]
        elif op is parts.CATEGORY:
            chars.append(CATEGORY[item])
    return chars


def _class(value) -> re.Pattern:
    state = parser.State()
    state.str = ""
    return re._compiler.compile(parser.SubPattern(state, [(parts.IN, value)]))


def repeated_parts(sequence) -> Iterator[str]:
    """Texts for all that the expression repeats, and its literal runs and characters."""
    literal = ""
    for op, value in sequence:
        if op is parts.LITERAL:
            literal += chr(value)
            yield chr(value)
        elif op is parts.IN:
            yield from _members(value)[:6]
        elif op in (parts.MAX_REPEAT, parts.MIN_REPEAT, parts.POSSESSIVE_REPEAT):
            yield sample(value[2])
            yield from repeated_parts(value[2])
        elif op is parts.SUBPATTERN:
            yield sample(value[-1])
            yield from repeated_parts(value[-1])
        elif op is parts.ATOMIC_GROUP:
            yield from repeated_parts(value)
        elif op is parts.BRANCH:
            for branch in value[1]:
                yield sample(branch)
                yield from repeated_parts(branch)
    yield literal


def beginnings(sequence) -> Iterator[str]:
    """What the first elements match, for each number of them."""
    items = [*sequence]
    for count in range(len(items) + 1):
        yield sample(items[:count])
    if len(items) == 1 and items[0][0] is parts.SUBPATTERN:
        yield from beginnings(items[0][1][-1])
    if len(items) == 1 and items[0][0] is parts.BRANCH:
        for branch in items[0][1][1]:
            yield from beginnings(branch)


def attacks(pattern: re.Pattern) -> Iterator[tuple[str, str]]:
    """Beginnings, and what is repeated behind them."""
    tree = parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else 0)
    first = [*dict.fromkeys(beginnings(tree))]
    first = first[:: max(1, len(first) // MAX_BEGINNINGS)]
    again = [text for text in dict.fromkeys([*repeated_parts(tree), sample(tree), " ", "a", "\t "]) if text]
    for beginning in first:
        for repeated in again[:MAX_REPEATED]:
            yield beginning, repeated


class Trial:
    """One expression under attack. `search`: it is looked for anywhere in a text."""

    def __init__(self, pattern: re.Pattern, *, search: bool, bound: int = 0) -> None:
        self._pattern, self._search, self._bound = pattern, search, bound

    def is_slow(self) -> bool:
        return any(self._is_slow(*attack) for attack in attacks(self._pattern))

    def _is_slow(self, beginning: str, repeated: str) -> bool:
        """Whether its time grows faster than the text.

        The least of some runs counts: the machine may be busy.
        """
        if self._bound:
            return min(self._seconds(beginning, repeated, self._bound) for _ in range(3)) > SUSPICIOUS
        if any(self._seconds(beginning, repeated, size) > 8 * SUSPICIOUS for size in SHORT):
            return True
        least = self._seconds(beginning, repeated, LONG)
        if least <= SUSPICIOUS:
            return False
        least = min(least, *(self._seconds(beginning, repeated, LONG) for _ in range(3)))
        return self._seconds(beginning, repeated, 4 * LONG) > GROWTH * least

    def _seconds(self, beginning: str, repeated: str, size: int) -> float:
        """The CPU time for the slowest end."""
        text = beginning + repeated * max(1, size // len(repeated))
        return max(self._seconds_for(text + end) for end in ENDS)

    def _seconds_for(self, text: str) -> float:
        pattern = self._pattern
        subject = text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text
        begun = time.process_time()
        pattern.match(subject)
        pattern.fullmatch(subject)
        if self._search:
            for _ in pattern.finditer(subject):
                pass
        return time.process_time() - begun


@pytest.mark.parametrize("name", PATTERNS)
def test_an_expression_takes_linear_time(name):
    bound = BOUNDED.get(name.partition(" ")[0], 0)
    assert not Trial(PATTERNS[name], search=is_searched_for(name), bound=bound).is_slow()


@pytest.mark.parametrize(
    ("expression", "search", "slow"),
    [
        (r"(a+)+b", False, True),
        (r"\s*(x)?\s*y", False, True),
        (r"<[^>]*>", True, True),
        (r"<[^>]*>", False, False),
        (r"[a-z]++\s*+!", False, False),
    ],
)
def test_the_test_finds_what_is_slow(expression, search, slow):
    assert Trial(re.compile(expression), search=search).is_slow() is slow


def test_no_expression_is_missed():
    names = "\n".join(PATTERNS)
    for module in ("mime.addresses", "mail.hops", "conversion.html_end", "smtp.path_parser", "byte_ranges", "notices"):
        assert module in names
    assert len(PATTERNS) > 80
