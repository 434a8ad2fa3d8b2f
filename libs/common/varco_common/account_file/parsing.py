"""Account files: YAML whose lines are known."""

import json
import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

import yaml

from varco_common.account_file import yaml_mistakes
from varco_common.account_file.owners import KEYS
from varco_common.account_file.schema import section_by_key
from varco_common.base.errors import VarcoError
from varco_common.base.wording import ACCOUNT_EXPECTED, ACCOUNT_NAME, near, shown


def _meant(section: str) -> str:
    """A section that is near, or a key that belongs into one."""
    inner = section_by_key()
    if not get_close_matches(section.lower(), KEYS) and (close := get_close_matches(section.lower(), inner)):
        return f": did you mean {close[0]}, which stands below {inner[close[0]]}?"
    return near(section, KEYS)


class _Loader(yaml.SafeLoader):
    """Leaves dates as text. JSON has none, and the owner reads them in the account's time zone."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML declares it
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


MAX_NODES = 500_000  # 20,000 users with all their fields are 200,000
MAX_CHARACTERS = 8 * 2**20  # of all values and keys; 20,000 users with all their fields are 4 million
MAX_DEPTH = 30  # an account file has five levels


Place = Callable[[Sequence[str]], str]
"""From the path of a part to its position in words."""

Completion = Callable[[dict[str, Any], Place], dict[str, Any]]
"""From what a file says to what it means, for files that refer to others."""


class AccountFileError(VarcoError):
    """The file can't be read. The text names the place, and what to write there."""


class AccountFile:
    """An account as its file describes it. Messages call the file `name`."""

    def __init__(self, name: str, text: str, completion: Completion | None = None) -> None:
        """Raises AccountFileError, and what `completion` raises."""
        self.name = name
        self._text = text
        self._root = _composed(name, text)
        content = self._constructed()
        self.content = completion(content, self.place) if completion else content
        self.account = self._account()

    @property
    def sections(self) -> dict[str, Any]:
        return {section: value for section, value in self.content.items() if section != "account"}

    def place(self, where: Sequence[str]) -> str:
        """Returns the position of a part, such as `acme.yaml, line 7, users.0.login`.

        Where the file ends before the path does, it is the position of the last step that exists.
        """
        node, path_found = self._root, []
        line = node.start_mark.line + 1
        for step in where:
            inner = _inside(node, step)
            if inner is None:
                break
            node, line = inner
            path_found.append(step)
        return ", ".join([self.name, f"line {line}", *([".".join(path_found)] if path_found else [])])

    def _constructed(self) -> dict[str, Any]:
        if not isinstance(self._root, yaml.MappingNode):
            raise AccountFileError(f"{self.name}: expected sections such as `account: acme`")
        _Checker(self.name).check(self._root)
        content = self._values()
        for section in content:
            if section not in KEYS:
                raise AccountFileError(
                    f"{self.place([str(section)])}: unknown section {shown(section)}{_meant(str(section))}"
                )
        return content

    def _values(self) -> dict[str, Any]:
        """What the file says, in values that JSON has."""
        loader = yaml.SafeLoader("")
        try:
            content: dict[str, Any] = loader.construct_document(self._root)
            json.dumps(content, allow_nan=False)
        except yaml.MarkedYAMLError as error:
            raise AccountFileError(yaml_mistakes.explained(self.name, self._text, error)) from None
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise AccountFileError(
                f"{self.name}: a value that an account file can't have, such as .nan or !!binary"
            ) from None
        finally:
            loader.dispose()
        return content

    def _account(self) -> str:
        account = self.content.get("account")
        if account is None:
            raise AccountFileError(f"{self.name}: the name of the account is missing: write account: acme")
        if isinstance(account, int | float) and not isinstance(account, bool):
            raise AccountFileError(f"{self.place(['account'])}: put it in quotes: YAML reads it as a number")
        if not isinstance(account, str) or not re.fullmatch(ACCOUNT_NAME, account):
            raise AccountFileError(f"{self.place(['account'])}: {shown(account)}: expected {ACCOUNT_EXPECTED}")
        return account


class _Checker:
    """Refuses what YAML allows and nobody means, and what would take all memory."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes = self._characters = 0
        self._inside: set[int] = set()

    def check(self, node: yaml.Node) -> None:
        """An alias counts as what it stands for. Raises AccountFileError."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._refusal(node, f"more than {MAX_NODES} values, with those that aliases stand for")
        if isinstance(node, yaml.ScalarNode):
            self._count_characters(node)
            return
        if id(node) in self._inside:
            raise self._refusal(node, "an alias inside the value that it stands for")
        if len(self._inside) >= MAX_DEPTH:
            raise self._refusal(node, f"values in more than {MAX_DEPTH} levels")
        self._inside.add(id(node))
        self._check_keys(node)
        for inner in _values_in(node):
            self.check(inner)
        self._inside.remove(id(node))

    def _count_characters(self, node: yaml.ScalarNode) -> None:
        self._characters += len(node.value)
        if self._characters > MAX_CHARACTERS:
            why = f"more than {MAX_CHARACTERS} characters, with those that aliases stand for"
            raise self._refusal(node, why)

    def _check_keys(self, node: yaml.Node) -> None:
        """YAML takes the last of two equal keys in silence."""
        if not isinstance(node, yaml.MappingNode):
            return
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._refusal(key, "a key is a word, not a list or a mapping")
            self._count_characters(key)
            if key.value in seen:
                raise self._refusal(key, f"{key.value} is there twice: remove one of them")
            seen.add(key.value)

    def _refusal(self, node: yaml.Node, why: str) -> AccountFileError:
        return AccountFileError(f"{self._name}, line {node.start_mark.line + 1}: {why}")


def _values_in(node: yaml.Node) -> list[yaml.Node]:
    return [value for _, value in node.value] if isinstance(node, yaml.MappingNode) else node.value


def _composed(name: str, text: str) -> yaml.Node:
    try:
        root: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise AccountFileError(yaml_mistakes.explained(name, text, error)) from None
    except RecursionError:
        raise AccountFileError(f"{name}: values in more than {MAX_DEPTH} levels") from None
    if root is None:
        raise AccountFileError(f"{name}: it is empty")
    return root


def _inside(node: yaml.Node, step: str) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and step.isdigit() and int(step) < len(node.value):
        value = node.value[int(step)]
        return value, value.start_mark.line + 1
    return None
