"""Account files: YAML whose lines are known, and the service that owns each section."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from varco_cli.failures import Misused


class _Loader(yaml.SafeLoader):
    """Leaves dates as text. JSON has none, and the owner reads them in the account's time zone."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML declares it
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class Owner(NamedTuple):
    """A service, its sections, and the path to which they are sent.

    With `whole` they are sent as one document; otherwise the value of the only section is sent.
    """

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
    """An account as its file describes it. Messages call the file `name`."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._root = _composed(name, text)
        self.content = self._constructed()
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
            raise Misused(f"{self.name}: expected sections such as `account: acme`")
        self._check_keys(self._root, [])
        loader = yaml.SafeLoader("")
        content: dict[str, Any] = loader.construct_document(self._root)
        loader.dispose()
        for section in content:
            if section not in ("account", *SECTIONS):
                raise Misused(
                    f"{self.place([str(section)])}: no such section: expected one of account, {', '.join(SECTIONS)}"
                )
        return content

    def _check_keys(self, node: yaml.Node, path: list[str]) -> None:
        """Refuses equal keys, of which YAML would silently take the last."""
        if isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                if key.value in keys:
                    raise Misused(
                        f"{self.name}, line {key.start_mark.line + 1}: {key.value} is there twice: remove one of them"
                    )
                keys.add(key.value)
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
    """Reads an account from a file or from standard input (`-`). Raises Misused."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(f"{file}: {error}") from None
    return AccountFile("standard input" if file == "-" else file, text)


def body(owner: Owner, sections: Mapping[str, Any]) -> Any:
    """Returns the document for the owner; None where the file has none of its sections."""
    its = {section: value for section, value in sections.items() if section in owner.sections}
    if not its:
        return None
    return its if owner.whole else its[owner.sections[0]]


def is_off(value: object) -> bool:
    """Says whether a section is off. YAML reads `filelink: off` as false."""
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
