"""Packages that libraries import where they are installed, and that no process of Varco needs."""

import sys
from types import ModuleType
from typing import Any

_UNUSED = ("h2", "pygments", "rich")
_SESSIONS = ("sqlalchemy.ext.asyncio.scoping", "sqlalchemy.ext.asyncio.session")


class _Empty(ModuleType):
    """A module that has any name, for `from module import name`."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


def leave_out() -> None:
    """Lets their import fail. structlog and httpx do without, which saves 6 MB of each process."""
    modules: dict[str, Any] = sys.modules
    for name in _UNUSED:
        modules.setdefault(name, None)


def leave_out_of_services() -> None:
    """Besides, leaves out what would be in the memory of services.

    Sessions of SQLAlchemy import its object-relational mapper, 6 MB. For DNS over HTTPS dnspython
    imports a client of HTTP/2, 3 MB.
    """
    leave_out()
    for name in _SESSIONS:
        sys.modules.setdefault(name, _Empty(name))
    from dns import _features  # noqa: PLC0415 - for services alone

    _features.force("doh", enabled=False)
