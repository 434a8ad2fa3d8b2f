"""Packages that libraries import where they are installed, and that no process of Varco needs."""

import sys
from typing import Any

_UNUSED = ("pygments", "rich")


def leave_out() -> None:
    """Lets their import fail. structlog and httpx do without, which saves 5 MB of each process."""
    modules: dict[str, Any] = sys.modules
    for name in _UNUSED:
        modules.setdefault(name, None)
