"""The embedded stack, which `varco up`, the demo and the integration tests start.

A name is imported when it is first used: most commands only need paths of a StateDirectory.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from varco_cli.stack.process import BrokenStart, FailedStart
    from varco_cli.stack.settings import Ports, StackSettings
    from varco_cli.stack.stack import Stack
    from varco_cli.stack.state_directory import AlreadyRunning, StateDirectory

__all__ = ["AlreadyRunning", "BrokenStart", "FailedStart", "Ports", "Stack", "StackSettings", "StateDirectory"]

_MODULES = {
    "AlreadyRunning": "state_directory",
    "BrokenStart": "process",
    "FailedStart": "process",
    "Ports": "settings",
    "Stack": "stack",
    "StackSettings": "settings",
    "StateDirectory": "state_directory",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
