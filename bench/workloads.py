"""The workloads W1 to W7, each with what it expects of a gate."""

from typing import Literal

import msgspec

Expectation = Literal["accepted", "refused"]


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of load.

    `each` mails go over one connection (0: it stays open); sizes are bytes, before encoding.

    `{n}` in `sender` and `recipient` becomes the mail's number modulo 500 and modulo 1,000.
    """

    name: str
    text: str
    mails: int
    connections: int
    each: int = 1
    size: int = 10_240
    attachment: str = ""
    attachment_size: int = 0
    sender: str = "user{n}@corp.test"
    recipient: str = "rcpt{n}@dest.test"
    expects: Expectation = "accepted"

    def scaled(self, factor: float) -> "Workload":
        """Returns the workload with fewer or more mails; never fewer than connections."""
        return msgspec.structs.replace(self, mails=max(self.connections, round(self.mails * factor)))


WORKLOADS = {
    one.name: one
    for one in (
        Workload(name="W1", text="10 KB, 20 connections, one mail each", mails=3000, connections=20),
        Workload(name="W2", text="10 KB, 20 connections, 50 mails each", mails=3000, connections=20, each=50),
        Workload(name="W3", text="10 KB, one connection kept open", mails=500, connections=1, each=0),
        Workload(
            name="W4",
            text="1 MB PDF, 10 connections, one mail each",
            mails=200,
            connections=10,
            size=1024,
            attachment="report.pdf",
            attachment_size=1_048_576,
        ),
        Workload(
            name="W6",
            text="forbidden sender, 20 connections, one mail each",
            mails=3000,
            connections=20,
            sender="nobody{n}@forbidden.test",
            expects="refused",
        ),
        Workload(
            name="W7",
            text="100 KB .exe, 10 connections, one mail each",
            mails=1000,
            connections=10,
            size=1024,
            attachment="setup.exe",
            attachment_size=102_400,
            expects="refused",
        ),
    )
}
