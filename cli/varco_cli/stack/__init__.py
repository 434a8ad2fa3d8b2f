"""The embedded stack, which `varco up`, the demo and the integration tests start."""

from varco_cli.stack.process import BrokenStart, FailedStart
from varco_cli.stack.settings import Ports, StackSettings
from varco_cli.stack.stack import Stack
from varco_cli.stack.state_directory import AlreadyRunning, StateDirectory

__all__ = ["AlreadyRunning", "BrokenStart", "FailedStart", "Ports", "Stack", "StackSettings", "StateDirectory"]
