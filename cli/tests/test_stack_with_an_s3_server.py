"""`varco up` with VARCO_S3_ENDPOINT: large bodies go to that server and not into the home."""

import asyncio
from datetime import timedelta
from pathlib import Path

from varco_cli.stack import Ports, Stack
from varco_common.storage.object_store import open_store
from varco_common.testing import s3_server
from varco_common.testing.next_hop import next_hop

from .test_stack import send


async def test_an_s3_server_that_is_named_has_the_bodies(tmp_path: Path) -> None:
    async with s3_server() as server, next_hop() as hop:
        variables = {
            "VARCO_S3_ENDPOINT": server.settings.endpoint,
            "VARCO_S3_ACCESS_KEY_FILE": str(server.settings.access_key_file),
            "VARCO_S3_SECRET_KEY_FILE": str(server.settings.secret_key_file),
        }
        bodies = open_store(server.settings)
        async with Stack(tmp_path / "var", ports=Ports.free(), extra_environment=variables) as stack:
            async with stack.client("policy") as policy, stack.client("relay") as relay:
                account = {"senders": ["@acme.example"], "networks": ["127.0.0.0/8"]}
                route = {"smarthost": f"127.0.0.1:{hop.port}", "tls": "none"}
                (await policy.put("/accounts/acme", json=account)).raise_for_status()
                (await relay.put("/accounts/acme/route", json=route)).raise_for_status()
            answer = await asyncio.to_thread(send, stack, "large", "\r\n".join(["x" * 70] * 60_000))
            assert answer.startswith("250 2.0.0 ")
            async with asyncio.timeout(60):
                while not hop.for_recipient("large@elsewhere.example"):
                    await hop.news()
            assert [len(await bodies.get(key)) > 4_000_000 for key in await bodies.keys(timedelta(days=-1))] == [True]
            assert not stack.home.objects.exists()
        await bodies.close()
