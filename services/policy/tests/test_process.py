"""policy as its own process, on a bus that lets it say and hear no more than it declares."""

import asyncio
import json
import os
import signal
from asyncio.subprocess import PIPE, create_subprocess_exec
from contextlib import asynccontextmanager

import pytest

from varco_common.bus import Bus
from varco_common.bus.permissions import permissions
from varco_common.mail.grants import Denied, Grant
from varco_common.testing import free_port, nats_server
from varco_common.testing.processes import binary
from varco_common.testing.running import public_key
from varco_policy.app import SERVICE

from .conftest import KEY, Policy

ALLOWED = permissions(SERVICE.name, SERVICE.publishes, SERVICE.subscribes)
USERS = {
    "users": [
        {"user": "admin", "password": "admin-secret"},
        {"user": "policy", "password": "policy-secret", "permissions": ALLOWED.config()},
    ]
}


@asynccontextmanager
async def process(home, nats, **environment):
    for name, text in {"token.key": KEY, "nats.password": "policy-secret"}.items():
        (home / name).write_text(text)
    facts = {
        "VARCO_HOME": home,
        "VARCO_NATS_URL": nats.url,
        "VARCO_NATS_USER": "policy",
        "VARCO_NATS_PASSWORD_FILE": home / "nats.password",
        "VARCO_TOKEN_KEY_FILE": home / "token.key",
        "VARCO_TOKEN_PUBLIC_KEY_FILE": public_key(home, KEY),
        "VARCO_API_PORT": free_port(),
        **environment,
    }
    env = {name: value for name, value in os.environ.items() if not name.startswith("VARCO_")}
    env |= {name: str(value) for name, value in facts.items()}
    started = await create_subprocess_exec(binary("varco-policy"), env=env, stderr=PIPE, stdout=PIPE)
    try:
        yield started, facts["VARCO_API_PORT"]
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


async def test_policy_works_with_what_it_declares_alone_and_ends_when_told(tmp_path):
    extra = f"authorization {json.dumps(USERS)}"
    async with nats_server(extra=extra, admin=("admin", "admin-secret")) as nats:
        async with (
            process(tmp_path, nats) as (started, port),
            Bus.connect(nats.settings("admin", "admin-secret"), "t") as bus,
        ):
            policy = Policy(port, bus)
            async with policy.http:
                await policy.ready()
                await policy.put("/accounts/acme", users=[{"login": "alice", "password": "a-long-secret"}])
                assert isinstance(await policy.login("alice", "a-long-secret"), Grant)
                assert isinstance(await policy.network("192.0.2.7"), Denied)
                async for stored in bus.events.follow("events.policy.credential-used.*"):
                    assert stored.event.login == "alice"
                    break
            started.send_signal(signal.SIGTERM)
            async with asyncio.timeout(60):
                output = (await started.stderr.read()).decode()
                assert await started.wait() == 0, output
        lines = [json.loads(line) for line in output.splitlines()]
        assert {line["service"] for line in lines} == {"policy"}
        assert "a-long-secret" not in output
        assert "ermissions violation" not in output.lower()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("VARCO_POLICY_HASHING_QEUE", "3"),
        ("VARCO_API_PORT", "many"),
        ("VARCO_DATABASE_URL", "mysql://x"),
        ("VARCO_TOKEN_KEY_FILE", "/nowhere"),
    ],
)
async def test_a_broken_setting_ends_the_start_with_one_line_that_names_it(tmp_path, nats, variable, value):
    async with process(tmp_path, nats, **{variable: value}) as (started, _):
        async with asyncio.timeout(60):
            _, errors = await started.communicate()
        assert started.returncode == 2
        assert len(errors.decode().splitlines()) == 1
        assert errors.decode().startswith(f"{variable}={value}: ")
