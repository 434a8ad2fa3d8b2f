"""The failures of the stack, the settings and the bus, as failures of a command.

Apart from shared.py, because most commands need nothing of the stack.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from varco_cli.failures import CommandFailure, Conflict, Misused, Unreachable
from varco_cli.stack import AlreadyRunning, BrokenStart, FailedStart
from varco_common.base.durable_file import DamagedFile
from varco_common.base.errors import TransientError
from varco_common.base.settings import BrokenSetting


@contextmanager
def command_failures() -> Iterator[None]:
    """Turns errors of the stack, the settings and the bus into CommandFailures."""
    try:
        yield
    except AlreadyRunning as error:
        raise Conflict(str(error)) from None
    except (BrokenSetting, BrokenStart, DamagedFile) as error:
        raise Misused(str(error)) from None
    except FailedStart as error:
        raise CommandFailure(str(error)) from None
    except TransientError as error:
        raise Unreachable(str(error)) from None
