"""What to write instead, where a file can't be read as YAML: one line for each error of PyYAML."""

import re

import yaml

from varco_common.base.wording import flow

_CONTROL = "a control character stands in the file: remove it"
_INDENT = "is indented otherwise than the lines that belong together with it"
_UNREADABLE = "can't be read as YAML: put texts with special characters in quotes"
_NESTED = "a value with ': ' in it must be in quotes, and a key below another one is indented more"


def explained(name: str, text: str, error: yaml.YAMLError) -> str:
    """The file, the line, and what to write there."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return f"{name}, line {_line_of_control(text)}: {_CONTROL}"
    mark = error.problem_mark or error.context_mark
    number = mark.line if mark else 0
    lines = text.splitlines() or [""]
    line = lines[min(number, len(lines) - 1)]
    column = mark.column if mark else 0
    opened = error.context_mark.line + 1 if error.context_mark else number + 1
    what = _explanation(str(error.problem or error.context or ""), line, column, opened, number + 1)
    return f"{name}, line {number + 1}{what if what.startswith((' ', ':')) else f': {what}'}"


def _explanation(problem: str, line: str, column: int, opened: int, number: int) -> str:
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return " is indented with a tab: use spaces"
    if match := re.match(r"found character '(.)' that cannot start any token", problem):
        return "a tab stands in front of a value: use spaces" if match[1] == "\t" else _quoted(line, column)
    for pattern, answer in _ANSWERS:
        if pattern in problem:
            return answer.format(opened=opened, at=f"in line {opened} " if opened != number else "")
    if "alias" in problem or "anchor" in problem or "alphabetic or numeric" in problem or "tag" in problem:
        return _quoted(line, max(column - 1, 0) if line[column : column + 1] not in "&*!" else column)
    return _UNREADABLE


_ANSWERS = (
    ("mapping values are not allowed", _NESTED),
    ("expected <block end>", f" {_INDENT}"),
    ("expected the node content", "a value is missing"),
    ("expected ',' or", "the bracket that is opened {at}isn't closed, or a comma is missing"),
    ("could not find expected ':'", "a key without a colon: write key: value"),
    ("found unexpected end of stream", "the quotation mark that is opened {at}isn't closed"),
    ("found unexpected document", "the quotation mark that is opened {at}isn't closed"),
    ("unknown escape character", "a backslash in double quotes has a special meaning: use single quotes"),
    ("escape sequence", "a backslash in double quotes has a special meaning: use single quotes"),
    ("expected a single document", "a second document begins: a file describes one account"),
    ("but found another document", "a second document begins: a file describes one account"),
    ("expected a mapping", "<< takes keys with values"),
    (
        "sequence entries are not allowed",
        "an entry of a list (- ...) stands beside its key: put it in a line of its own",
    ),
    ("block sequence entries", "an entry of a list (- ...) stands beside its key: put it in a line of its own"),
    ("determine a constructor", "a value that begins with ! must be in quotes"),
    ("directive", "a line that begins with % is no part of an account file"),
)


def _quoted(line: str, column: int) -> str:
    """The value from the column on, in quotes, as it should be written."""
    word = re.match(r"[^\s,\]}#]+", line[column:])
    return "put it in quotes: " + (flow(word[0]) if word else f'"{line[column:].strip()}"')


def _line_of_control(text: str) -> int:
    for number, line in enumerate(text.split("\n"), 1):
        if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]", line):
            return number
    return 1
