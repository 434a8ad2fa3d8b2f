"""The bus inside TLS: who isn't vouched for isn't spoken to."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from varco_common.bus import Bus, BusSettings
from varco_common.bus.streams import ensure, manager
from varco_common.testing import nats_server
from varco_common.testing.certificates import self_signed
from varco_common.testing.samples import failed

TLS = 'tls {{ cert_file: "{0.certificate}", key_file: "{0.key}", handshake_first: true }}'


async def test_streams_are_made_and_events_appended_inside_tls(tmp_path: Path):
    shown = self_signed(tmp_path, "127.0.0.1")
    async with nats_server(streams=False, extra=TLS.format(shown)) as server:
        settings = BusSettings(url=server.url.replace("nats://", "tls://"), ca_file=shown.certificate)
        async with manager(settings) as connection:
            await ensure(connection, settings)
        async with Bus.connect(settings, "test") as bus:
            assert await bus.events.append(failed(1)) == 1
            await server.restart()
            assert await bus.events.append(failed(2)) == 2


@pytest.mark.parametrize("trusted", ["another", "nobody"])
async def test_a_server_that_nobody_vouches_for_is_not_spoken_to(tmp_path: Path, trusted: str):
    shown = self_signed(tmp_path, "127.0.0.1")
    (tmp_path / "another").mkdir()
    other = self_signed(tmp_path / "another", "127.0.0.1")
    async with nats_server(streams=False, extra=TLS.format(shown)) as server:
        url = server.url.replace("nats://", "tls://")
        settings = BusSettings(url=url, ca_file=other.certificate if trusted == "another" else None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5), Bus.connect(settings, "test"):
                pytest.fail("it was spoken to")
        async with Bus.connect(replace(settings, ca_file=shown.certificate), "test") as bus:
            bus.check()


def test_servers_with_and_without_tls_are_no_list():
    with pytest.raises(ValueError, match="all of them, or none"):
        BusSettings(url="tls://a:4222,nats://b:4222").context()
