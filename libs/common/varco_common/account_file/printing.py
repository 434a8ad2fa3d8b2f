"""An account as the text of its file. Pure."""

from typing import Any

import yaml

NAME = "varco-account.schema.json"  # as `varco account schema > ...` is told to call it
HEAD = (
    f"# yaml-language-server: $schema={NAME}\n"
    f"# Each key is explained in docs/account-file.md. `varco account schema > {NAME}` is for editors.\n"
)


class _Dumper(yaml.SafeDumper):
    """Writes `off` as people do, without quotes."""


def _text_node(dumper: _Dumper, text: str) -> yaml.Node:
    tag = "tag:yaml.org,2002:bool" if text == "off" else "tag:yaml.org,2002:str"
    return dumper.represent_scalar(tag, text)


_Dumper.add_representer(str, _text_node)


def account_text(document: dict[str, Any]) -> str:
    """Returns the account file, with the name of its schema for editors."""
    text: str = yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120
    )
    return HEAD + text
