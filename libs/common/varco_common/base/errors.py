"""The errors that a handler may let go. Any other exception is a bug.

VarcoError
├── TransientError     try again: the bus, the store or a neighbour is away
│   └── StoreFull      nothing more can be stored
├── PoisonError        never try again: park it and raise the alarm
├── ConflictError      somebody else changed it first (HTTP 409)
├── NotFound           what was asked for isn't there (HTTP 404)
└── RefusedCommand     the command can't be carried out as it is (HTTP 422), and why
"""


class VarcoError(Exception):
    """The root; its text is for operators, never for SMTP clients."""


class TransientError(VarcoError):
    """May go through when tried again: the bus, the store or a neighbour is away."""


class StoreFull(TransientError):
    """Nothing more can be stored; clients hear 452 4.3.1."""


class PoisonError(VarcoError):
    """Will never go through: what can't be parsed is parked with an alarm."""


class ConflictError(VarcoError):
    """The state changed between reading and writing: read again, then decide again."""


class NotFound(VarcoError):
    """What was asked for isn't there, or isn't any more."""


class RefusedCommand(VarcoError):
    """A command that its owner won't carry out; the text says what to do instead."""
