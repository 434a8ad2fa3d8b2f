"""The errors that a handler may raise. Any other exception is a bug.

VarcoError
├── TransientError     try again: the bus, the store or another service is away
│   ├── StoreFull      nothing more can be stored
│   └── Degraded       a part of the service does not work, and the rest goes on
├── PoisonError        never try again: store it as a dead letter, and alert
├── ConflictError      another client changed it first (HTTP 409)
├── NotFound           what was asked for does not exist (HTTP 404)
└── RefusedCommand     the command can't be carried out (HTTP 422); the text says why
"""

EXIT_BROKEN_SETTING = 2  # of a service: every start fails until somebody changes the setting


class VarcoError(Exception):
    """The root. Its text is for operators, never for SMTP clients."""


class TransientError(VarcoError):
    """May go through when tried again: the bus, the store or another service is away."""


class StoreFull(TransientError):
    """Nothing more can be stored; SMTP clients get 452 4.3.1."""


class Degraded(TransientError):
    """A part of the service does not work, and the rest goes on. The text says which part."""


class PoisonError(VarcoError):
    """Will never go through, for example since it can't be parsed."""


class ConflictError(VarcoError):
    """The state changed between reading and writing: read again, then decide again."""


class NotFound(VarcoError):
    """What was asked for does not exist, or no longer."""


class RefusedCommand(VarcoError):
    """A command that can't be carried out. The text says what to do instead."""
