"""What `varco up` reads from the environment: where its state is, and which ports it takes."""

import socket
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field

from varco_common.base.settings import BrokenSetting, Port, Size
from varco_common.bus.settings import WithMailDays
from varco_common.runtime.settings import API_PORT, WithLinksPort, WithPop3Ports, WithSmtpPorts
from varco_common.storage.seaweed import PORTS as S3_PORTS

SERVICES = 20  # ports above VARCO_API_PORT that are the services'; the bus and the object store come behind them


class WithMailLimits(WithMailDays):
    """How much stream MAIL holds, for whoever makes the streams."""

    mail_max_bytes: Size | None = Field(
        default=None,
        validation_alias="VARCO_NATS_MAIL_MAX_BYTES",
        description="Bytes of accepted mail that the bus may hold; when it is full, clients get 452. Unset: the free "
        "space of the bus's disk, if that is known, less a fifth of the disk (at most 1 GiB).",
    )


class StackSettings(WithLinksPort, WithMailLimits, WithPop3Ports, WithSmtpPorts):
    """Ports of listeners are read by the services themselves; here they are looked at before anything starts."""

    api_port: Annotated[int, Field(ge=1, le=65_000)] = API_PORT
    nats_port: Port = Field(
        default=0,
        validation_alias="VARCO_NATS_PORT",
        description="The bus, on a loopback address. 0: VARCO_API_PORT + 20.",
    )
    s3_port: Port = Field(
        default=0,
        validation_alias="VARCO_S3_PORT",
        description="The object store, on a loopback address: eight ports. 0: VARCO_API_PORT + 21 and upwards.",
    )
    processes: Literal["each", "one"] = Field(
        default="each",
        validation_alias="VARCO_PROCESSES",
        description="Each service in a process of its own, or all of them in one: less memory, and faster on few cores.",
    )

    @property
    def inner(self) -> str:
        """Where the bus and the object store listen: never anywhere but on a loopback address."""
        return self.bind if self.bind.startswith("127.") else "127.0.0.1"

    @property
    def ports(self) -> "Ports":
        nats = self.nats_port or self.api_port + SERVICES
        first = self.s3_port or self.api_port + SERVICES + 1
        return Ports(
            smtp=self.smtp_port,
            submission=self.submission_port,
            smtps=self.smtps_port,
            pop3=self.pop3_port,
            pop3s=self.pop3s_port,
            links=self.links_port,
            api=self.api_port,
            nats=nats,
            s3=first,
        )


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Every port of a stack.

    `api` is the first of SERVICES ports, `s3` the first of the object store's eight.
    """

    smtp: int
    submission: int
    smtps: int
    pop3: int
    pop3s: int
    links: int
    api: int
    nats: int
    s3: int

    @classmethod
    def free(cls, address: str = "127.0.0.1") -> Self:
        """Ports that nobody listens on now: for tests and the demo, beside a stack that runs."""
        names = ("smtp", "submission", "smtps", "pop3", "pop3s", "links", "nats")
        first = _free_block(address, SERVICES + len(S3_PORTS) + len(names))
        single = first + SERVICES + len(S3_PORTS)
        return cls(api=first, s3=first + SERVICES, **{name: single + place for place, name in enumerate(names)})

    @property
    def objects(self) -> dict[str, int]:
        """The object store's ports by their names; its S3 API has the first."""
        names = sorted(S3_PORTS, key=lambda name: name != "s3")
        return {name: self.s3 + place for place, name in enumerate(names)}

    @property
    def environment(self) -> dict[str, str]:
        """The listeners' ports as the services read them."""
        listeners = ("smtp", "submission", "smtps", "pop3", "pop3s", "links")
        return {f"VARCO_{name.upper()}_PORT": str(getattr(self, name)) for name in listeners}


def listenable(address: str, port: int, variable: str) -> None:
    """Raises BrokenSetting, naming `variable`, where nobody can listen on this port now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            why = f"a port that can be listened on at {address} ({error.strerror}): set {variable} to another"
            raise BrokenSetting(variable, port, why) from None


def _free_block(address: str, size: int) -> int:
    """The first of `size` free ports in a row, below those that the kernel gives to clients (32768 and upwards)."""
    from random import SystemRandom  # noqa: PLC0415 - tests and the demo alone need it

    chance = SystemRandom()
    for _ in range(200):
        first = chance.randrange(10_000, 32_000 - size)
        try:
            for port in range(first, first + size):
                listenable(address, port, "")
        except BrokenSetting:
            continue
        return first
    raise BrokenSetting("VARCO_API_PORT", "", f"{size} free ports in a row")
