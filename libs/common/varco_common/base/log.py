"""Log lines in JSON on standard error.

structlog writes what is rare; `line` writes what happens with every mail, at less cost.
"""

import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec
import structlog

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_encoder = msgspec.json.Encoder(enc_hook=str)
_service: ContextVar[str] = ContextVar("service", default="")
_mail: ContextVar[str] = ContextVar("mail", default="")


class _Output:
    """Where lines go, and the lowest level that is written.

    Standard error is looked up for each line, so that a redirection takes effect.
    """

    stream: TextIO | None = None
    level = logging.INFO

    def write(self, line: bytes) -> None:
        stream = self.stream or sys.stderr
        with suppress(OSError):  # on a full disk log lines are lost, and nothing else stops
            stream.write(line.decode() + "\n")  # one write, so that lines of several processes don't mix
            stream.flush()


_output = _Output()


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Writes all logs of this process, including those of the standard library, as JSON lines."""
    _output.level, _output.stream = _LEVELS[level], stream
    _configure_structlog()
    logging.basicConfig(handlers=[_Bridge()], level=max(_output.level, logging.WARNING), force=True)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings hold URLs with a signature that opens an object


@contextmanager
def as_it_was() -> Iterator[None]:
    """What is configured inside the block counts until its end, as for one test among others."""
    before, root = (_output.level, _output.stream), logging.getLogger()
    try:
        yield
    finally:
        _output.level, _output.stream = before
        _configure_structlog()
        for bridge in [handler for handler in root.handlers if isinstance(handler, _Bridge)]:
            root.removeHandler(bridge)


def _configure_structlog() -> None:
    structlog.configure(
        processors=[_named, structlog.processors.add_log_level, _with_traceback, _stamped],
        wrapper_class=structlog.make_filtering_bound_logger(_output.level),
        logger_factory=lambda *_: _Lines(),
        cache_logger_on_first_use=False,
    )


def get(name: str) -> Any:
    """A structlog logger. `name`, that of a module, goes into each line as `component`."""
    return structlog.get_logger(component=name)


@contextmanager
def of(*, service: str = "", mail: str = "") -> Iterator[None]:
    """Lines written inside the block, also by tasks begun there, name the service and the mail."""
    tokens = [(var, var.set(value)) for var, value in ((_service, service), (_mail, mail)) if value]
    try:
        yield
    finally:
        for var, token in reversed(tokens):
            var.reset(token)


def line(event: str, fields: dict[str, Any]) -> None:
    """One info line, at less than half the cost of structlog: for what happens with every mail.

    The only context that is added is the service. msgspec must be able to encode `fields`.
    """
    if _output.level <= logging.INFO:
        head = {"at": _now(), "level": "info", "service": _service.get(), "event": event}
        _output.write(_encoder.encode(head | fields))


class _Lines:
    """The end of structlog's chain: gets the finished event and writes it."""

    def msg(self, **event: Any) -> None:
        _output.write(_encoder.encode(event))

    debug = info = warning = error = critical = exception = log = msg


def _named(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    context = {"service": _service.get(), "mail": _mail.get()}
    return {name: value for name, value in context.items() if value} | dict(event)


def _with_traceback(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if error := event.pop("exc_info", None):
        error = error if isinstance(error, BaseException) else sys.exception()
        event["traceback"] = "".join(traceback.format_exception(error)) if error else ""
    return event


def _stamped(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    head = {name: event.pop(name, "") for name in ("level", "service", "event")}
    return {"at": _now(), **head, **event}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Bridge(logging.Handler):
    """Passes on what libraries log with the standard library."""

    def emit(self, record: logging.LogRecord) -> None:
        write: Callable[..., None] = getattr(get(record.name), record.levelname.lower(), get(record.name).error)
        write(record.getMessage(), **({"exc_info": record.exc_info[1]} if record.exc_info else {}))


_configure_structlog()  # so that no log line ever goes to standard output
