"""How a command ends when it fails, and what its exit code says.

| exit code | |
|---|---|
| 0 | done |
| 1 | refused, or there is no such thing |
| 2 | used wrongly: an unknown option, a broken file, a broken setting |
| 3 | the service can't be reached, or isn't ready |
| 4 | somebody else changed it meanwhile, or a stack runs already |
| 5 | the token isn't accepted |
"""

from collections.abc import Mapping
from typing import Any


class Failure(Exception):
    """The text is for whoever typed the command; `problem` is the service's own answer, where one gave it (RFC 9457)."""

    exit_code = 1

    def __init__(self, text: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.problem = problem or {}


class Refused(Failure):
    """The owner won't, or there is no such thing."""


class Misused(Failure):
    """The command, a file or a setting can't be understood."""

    exit_code = 2


class Unreachable(Failure):
    """No answer, or not now."""

    exit_code = 3


class Conflict(Failure):
    """Somebody was first."""

    exit_code = 4


class Unauthorised(Failure):
    """No token, or one that doesn't cover this."""

    exit_code = 5
