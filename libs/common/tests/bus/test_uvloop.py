import uvloop

from varco_common.bus import Bus
from varco_common.testing import nats_server


def test_the_bus_runs_on_uvloop_whose_transports_are_its_own() -> None:
    async def last() -> int:
        async with nats_server() as server, Bus.connect(server.settings(), "test") as bus:
            return await bus.events.last_sequence("events.>")

    assert uvloop.run(last()) == 0
