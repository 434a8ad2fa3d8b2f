"""Words of errors: values as a file has them, and the name that was probably meant. Pure."""

import difflib
import re
from collections.abc import Iterable, Mapping

ACCOUNT_NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
ACCOUNT_EXPECTED = "small letters, digits and '-', such as acme"

_MAX_SHOWN = 60
_QUOTED = re.compile(r"^[@*&!%`\"'#>|?-]|[{}\[\],]|: |:$| #|^[\d.+-]*$|^(true|false|null|yes|no|on)$", re.IGNORECASE)


def near(name: str, known: Iterable[str], *, fold: bool = True) -> str:
    """`: did you mean max_size?`, or the known names where none is near."""
    names = sorted(known)
    if close := difflib.get_close_matches(name.lower() if fold else name, names, n=1, cutoff=0.6 if fold else 0.8):
        return f": did you mean {close[0]}?"
    return f": expected one of {', '.join(names)}" if names else ""


def shown(value: object) -> str:
    """The value as a file has it, short."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {shown(inner)}" for key, inner in value.items())[:_MAX_SHOWN] + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(shown, value))[:_MAX_SHOWN] + "]"
    text = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(str(value).split()))
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def flow(value: object) -> str:
    """As YAML writes it in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    quoted = isinstance(value, str) and _QUOTED.search(text)
    return f'"{text}"' if quoted else text
