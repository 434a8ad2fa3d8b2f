"""Account files: YAML read with the line of everything in it, and which service owns which section."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from varco_cli.failures import Misused


class _Loader(yaml.SafeLoader):
    """Dates stay text: JSON has none, and their owner reads them in the account's time zone."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML declares it
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class Owner(NamedTuple):
    """A service, its sections, and where it takes them: as one document, or (with one section) that section's value."""

    service: str
    path: str
    sections: tuple[str, ...]
    whole: bool = False


OWNERS = (
    Owner(
        "policy",
        "/accounts/{account}",
        ("language", "hosts", "users", "senders", "networks", "rules", "notices"),
        whole=True,
    ),
    Owner("relay", "/accounts/{account}/route", ("route",)),
    Owner("ratelimit", "/accounts/{account}/quotas", ("quotas",)),
    Owner("filelink", "/accounts/{account}/filelink", ("filelink",)),
    Owner("archive", "/accounts/{account}/archive", ("archive",)),
)
SECTIONS = tuple(section for owner in OWNERS for section in owner.sections)


class AccountFile:
    """One account as its file describes it. `name` is the file's, for messages."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._root = _composed(name, text)
        self.content = self._constructed()
        self.account = self._account()

    @property
    def sections(self) -> dict[str, Any]:
        return {section: value for section, value in self.content.items() if section != "account"}

    def place(self, where: Sequence[str]) -> str:
        """`acme.yaml, line 7, users.0.login`: where the innermost part is that can be found on this path."""
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
            raise Misused(f"{self.name}: expected sections such as `account: acme`")
        self._check_keys(self._root, [])
        loader = yaml.SafeLoader("")
        content: dict[str, Any] = loader.construct_document(self._root)
        loader.dispose()
        for section in content:
            if section not in ("account", *SECTIONS):
                raise Misused(
                    f"{self.place([str(section)])}: no such section; there are account, {', '.join(SECTIONS)}"
                )
        return content

    def _check_keys(self, node: yaml.Node, path: list[str]) -> None:
        """YAML takes the last of two equal keys in silence; nobody means that."""
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if key.value in seen:
                    raise Misused(f"{self.name}, line {key.start_mark.line + 1}: {key.value} is there twice")
                seen.add(key.value)
                self._check_keys(value, [*path, key.value])
        elif isinstance(node, yaml.SequenceNode):
            for place, value in enumerate(node.value):
                self._check_keys(value, [*path, str(place)])

    def _account(self) -> str:
        account = self.content.get("account")
        if not isinstance(account, str) or not account:
            raise Misused(f"{self.place(['account'])}: `account:` must name the account")
        return account


def read(file: str) -> AccountFile:
    """From a file, or from standard input (`-`). Raises Misused."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(f"{file}: {error}") from None
    return AccountFile("standard input" if file == "-" else file, text)


def body(owner: Owner, sections: Mapping[str, Any]) -> Any:
    """What the owner is sent; None where the file has nothing of its."""
    its = {section: value for section, value in sections.items() if section in owner.sections}
    if not its:
        return None
    return its if owner.whole else its[owner.sections[0]]


def is_off(value: object) -> bool:
    """`filelink: off`: YAML reads it as false."""
    return value in (False, "off", None)


def _composed(name: str, text: str) -> yaml.Node:
    try:
        root: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise Misused(f"{name}{line}: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise Misused(f"{name}: {error}") from None
    if root is None:
        raise Misused(f"{name}: it is empty")
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
