"""Three real nats-servers as one cluster on loopback, for tests: any of them can be killed."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from varco_common.bus import jetstream
from varco_common.bus.bus_settings import BusSettings
from varco_common.bus.connection import NatsConnection
from varco_common.bus.streams import ensure, manager
from varco_common.testing.nats import NatsServer
from varco_common.testing.processes import free_port
from varco_common.testing.waiting import eventually

NODES = 3
_START_SECONDS = 60.0
_CLUSTER = """
server_name: n{number}
cluster {{ name: varco, listen: "127.0.0.1:{port}", routes: [{routes}] }}
{extra}
"""


class NatsCluster:
    """`nodes` by their server names; each is killed and started by itself."""

    def __init__(self, home: Path, extra: str = "") -> None:
        ports = [free_port() for _ in range(NODES)]
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
        self.nodes: dict[str, NatsServer] = {}
        for number, port in enumerate(ports):
            place = home / f"n{number}"
            place.mkdir()
            config = _CLUSTER.format(number=number, port=port, routes=routes, extra=extra)
            self.nodes[f"n{number}"] = NatsServer(place, config, "1GB")

    def settings(self, *, replicas: int = NODES, **limits: float) -> BusSettings:
        """How to connect: all servers are named."""
        url = ",".join(node.url for node in self.nodes.values())
        return BusSettings(url=url, replicas=replicas, **limits)  # type: ignore[arg-type]

    async def leader(self, stream: str, consumer: str = "") -> str:
        """The node that leads the stream, or one of its consumers; waits until there is one."""
        request = f"CONSUMER.INFO.{stream}.{consumer}" if consumer else f"STREAM.INFO.{stream}"
        async with NatsConnection.open(self.settings(), "asks") as connection:

            async def name() -> str:
                return str((await jetstream.api(connection, request))["cluster"].get("leader", ""))

            return await eventually(name, _START_SECONDS)

    async def current(self, stream: str) -> None:
        """Returns when all replicas of the stream have all of it."""
        async with NatsConnection.open(self.settings(), "asks") as connection:

            async def are_current() -> bool:
                cluster = (await jetstream.api(connection, f"STREAM.INFO.{stream}"))["cluster"]
                others = cluster.get("replicas") or []
                return len(others) == NODES - 1 and all(r["current"] and not r.get("offline") for r in others)

            await eventually(are_current, _START_SECONDS)

    async def members(self) -> set[str]:
        """The nodes whose servers know two others."""
        members = set()
        for name, node in self.nodes.items():
            async with NatsConnection.open(node.settings(), "asks") as connection:
                if connection.servers == NODES:
                    members.add(name)
        return members

    async def make_streams(self, replicas: int = NODES) -> None:
        """Waits for a leader of the cluster."""
        settings = self.settings(replicas=replicas)
        async with manager(settings) as connection:

            async def are_made() -> bool:
                await ensure(connection, settings)
                return True

            await eventually(are_made, _START_SECONDS)


@contextlib.asynccontextmanager
async def nats_cluster(*, replicas: int = NODES, extra: str = "") -> AsyncIterator[NatsCluster]:
    """With MAIL, EVENTS and LEASES of so many replicas."""
    with tempfile.TemporaryDirectory(prefix="varco-cluster-") as home:
        cluster = NatsCluster(Path(home), extra)
        try:
            await asyncio.gather(*(node.start() for node in cluster.nodes.values()))
            await cluster.make_streams(replicas)
            yield cluster
        finally:
            await asyncio.gather(*(node.stop() for node in cluster.nodes.values()))
