"""A rebuilt database has the tokens that no event has."""

from varco_common.events import MailDelivered
from varco_common.eventsourcing.rebuild.frames import RebuildDone, RebuiltTable
from varco_common.eventsourcing.rebuild.rebuild import RebuildJob, rebuild
from varco_common.testing.next_hop import NextHop
from varco_common.testing.token_endpoint import token_endpoint
from varco_relay.rebuild import PROJECTIONS

from .test_oauth_routes import route


async def test_a_refresh_token_that_the_provider_replaced_outlives_a_rebuild(gate, hop: NextHop):
    async with token_endpoint() as provider:
        hop.auth, hop.takes_token = ("XOAUTH2",), provider.takes
        await gate.account()
        async with gate.relay(plain_oauth=True) as client:
            (await client.put("/accounts/acme/route", json=route(hop, provider))).raise_for_status()
            await gate.mail()
            await gate.facts.until(MailDelivered, timeout=60)
        url = f"sqlite+aiosqlite:///{gate.home}/data/relay.sqlite"
        job = RebuildJob(service="relay", package="varco_relay", url=url, projections=PROJECTIONS)
        frames: list[object] = []
        await rebuild(job, gate.bus, frames.append, swap=True)
        tokens = next(f for f in frames if isinstance(f, RebuiltTable) and f.table == "oauth_tokens")
        assert (tokens.beyond, tokens.differing) == (1, 0)
        assert isinstance(frames[-1], RebuildDone)
        async with gate.relay(plain_oauth=True):
            await gate.mail()
            await gate.facts.until(MailDelivered, 2, timeout=60)
        assert list((gate.home / "data").glob("relay.before-*"))
        assert len(provider.requests) == 1  # the kept token is used on
