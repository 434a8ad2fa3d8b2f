"""The settings of `varco up`: its state directory and its ports."""

import socket
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from pydantic import Field

from varco_cli.stack.process_groups import Processes
from varco_common.base.port_reservation import reserve
from varco_common.base.settings import BrokenSetting, Size
from varco_common.bus.settings import WithMailDays
from varco_common.runtime.settings import (
    API_PORT,
    WithConsolePort,
    WithHostname,
    WithLinksPort,
    WithPop3Ports,
    WithSmtpPorts,
)

SERVICES = 20  # ports from VARCO_API_PORT on for the services; that of the bus follows, at a loopback address


class WithMailLimits(WithMailDays):
    """The limits of stream MAIL, for the commands that create the streams."""

    mail_max_bytes: Size | None = Field(
        default=None,
        validation_alias="VARCO_NATS_MAIL_MAX_BYTES",
        description="Bytes of accepted mail that the bus may hold. When it is full, clients get 452. Unset: the free "
        "space of its disk, if known, minus a fifth of the disk (at most 1 GiB).",
    )


class StackSettings(WithConsolePort, WithHostname, WithLinksPort, WithMailLimits, WithPop3Ports, WithSmtpPorts):
    """The settings of the stack. It checks the ports of the listeners before anything starts."""

    retired: ClassVar[frozenset[str]] = frozenset({"VARCO_NATS_PORT", "VARCO_S3_PORT"})

    api_port: Annotated[int, Field(ge=1, le=65_000)] = API_PORT

    processes: Processes = Field(
        default="groups",
        validation_alias="VARCO_PROCESSES",
        description="`groups`: a process each for ingress-smtp, filelink, relay, the other voters, and the rest. "
        "`each`: a process for each service, which takes more memory. `one`: all in one process, which takes less.",
    )

    @property
    def inner(self) -> str:
        """Returns the loopback address that the bus listens on."""
        return self.bind if self.bind.startswith("127.") else "127.0.0.1"

    @property
    def ports(self) -> "Ports":
        return Ports(
            smtp=self.smtp_port,
            submission=self.submission_port,
            smtps=self.smtps_port,
            pop3=self.pop3_port,
            pop3s=self.pop3s_port,
            links=self.links_port,
            console=self.console_port,
            api=self.api_port,
        )


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Every port of a stack. `api` is the first of SERVICES ports; that of the bus follows."""

    smtp: int
    submission: int
    smtps: int
    pop3: int
    pop3s: int
    links: int
    console: int
    api: int

    @property
    def nats(self) -> int:
        return self.api + SERVICES

    @classmethod
    def free(cls, address: str = "127.0.0.1") -> Self:
        """Returns ports that are free now, for tests and the demo."""
        names = ("smtp", "submission", "smtps", "pop3", "pop3s", "links", "console")
        first = free_block(address, SERVICES + 1 + len(names))
        return cls(api=first, **{name: first + SERVICES + place for place, name in enumerate(names, 1)})

    @property
    def environment(self) -> dict[str, str]:
        """Returns the variables of the listeners' ports."""
        listeners = ("smtp", "submission", "smtps", "pop3", "pop3s", "links", "console")
        return {f"VARCO_{name.upper()}_PORT": str(getattr(self, name)) for name in listeners}


def check_listenable(address: str, port: int, variable: str) -> None:
    """Raises BrokenSetting, which names `variable`, where the port is taken or forbidden."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            why = f"a port that can be listened on at {address} ({error.strerror}): set {variable} to another"
            raise BrokenSetting(variable, port, why) from None


def free_block(address: str, size: int) -> int:
    """Returns the first of at most 32 free ports in a row, reserved for this process.

    They are below the ports that the kernel gives to clients (32768 and upwards).
    """
    from random import SystemRandom  # noqa: PLC0415 - hardly any start needs it

    random = SystemRandom()
    for _ in range(200):
        first = random.randrange(10_000, 26_000, 32)
        if not reserve(first):
            continue
        try:
            for port in range(first, first + size):
                check_listenable(address, port, "")
        except BrokenSetting:
            continue
        return first
    raise BrokenSetting("VARCO_API_PORT", "", f"{size} free ports in a row")
