"""The embedded stack, as `varco up`, the demo and the integration tests start it."""

from varco_cli.stack.home import AlreadyRunning, Home
from varco_cli.stack.process import FailedStart
from varco_cli.stack.settings import Ports, StackSettings
from varco_cli.stack.stack import Stack

__all__ = ["AlreadyRunning", "FailedStart", "Home", "Ports", "Stack", "StackSettings"]
