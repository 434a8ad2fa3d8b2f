"""The ways in which a command fails, and their exit codes.

| exit code | |
|---|---|
| 0 | done |
| 1 | refused, or not found |
| 2 | wrong usage: an unknown option, a broken file, a broken setting |
| 3 | the service can't be reached, or isn't ready |
| 4 | somebody else changed it meanwhile, or a stack runs already |
| 5 | the token isn't accepted |
"""

import errno
from collections.abc import Mapping
from typing import Any


class CommandFailure(Exception):
    """Ends a command. The text is for the person who typed it.

    `problem` is the answer of the service (RFC 9457), where a service answered.
    """

    exit_code = 1

    def __init__(self, text: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.problem = problem or {}


def in_words(error: OSError) -> str:
    """Returns why a file can't be written, and what to do about it in a container."""
    hint = {errno.EROFS: ": with Docker, write below /exports", errno.EACCES: _OF_ANOTHER_USER}
    return f"{error.strerror or error}{hint.get(error.errno or 0, '')}"


_OF_ANOTHER_USER = ": it belongs to another user than this command's"


class Refused(CommandFailure):
    """A service refused, or does not know what was named."""


class Misused(CommandFailure):
    """The command, a file or a setting is wrong."""

    exit_code = 2


class Unreachable(CommandFailure):
    """A service does not answer, or is not ready."""

    exit_code = 3


class Conflict(CommandFailure):
    """Somebody else changed it meanwhile, or a stack runs already."""

    exit_code = 4


class Unauthorised(CommandFailure):
    """The token is missing, or does not cover this request."""

    exit_code = 5
