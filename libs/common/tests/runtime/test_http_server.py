"""The HTTP shell over real sockets: probes, tokens, problems, draining."""

import asyncio
import re
import socket
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter

from varco_common.base.errors import ConflictError, NotFound, PoisonError, RefusedCommand, TransientError
from varco_common.base.settings import BrokenSetting
from varco_common.bus import Bus
from varco_common.events import TokenRevoked
from varco_common.runtime import service
from varco_common.runtime.auth import AccountScope, Admin, Caller
from varco_common.runtime.http_server import HttpServer
from varco_common.runtime.readiness import degrades
from varco_common.runtime.request_size import MAX_BODY
from varco_common.runtime.settings import ServiceSettings
from varco_common.runtime.token_signer import TokenSigner
from varco_common.testing import nats_server, running
from varco_common.testing.samples import record

ERRORS = {
    "conflict": (ConflictError("changed meanwhile"), 409),
    "unknown": (NotFound("no account acme"), 404),
    "refused": (RefusedCommand("close the account first"), 422),
    "transient": (TransientError("the bus is away"), 503),
    "poison": (PoisonError("secret internals"), 500),
    "bug": (ZeroDivisionError("secret internals"), 500),
}
SIGNER = TokenSigner(running.KEY.encode())
router = APIRouter()
release = {"slow": asyncio.Event()}


@router.get("/errors/{name}")
async def errors(name: str) -> None:
    raise ERRORS[name][0]


@router.get("/everything")
async def everything(token: Admin) -> str:
    return token.scope


@router.get("/anybody")
async def anybody(token: Caller) -> str:
    return token.scope


@router.get("/accounts/{account}/senders")
async def senders(account: str, token: AccountScope) -> str:
    return f"{token.scope} sees {account}"


@router.get("/numbers/{number}")
async def number(number: int) -> int:
    return number


@router.post("/words")
async def words(_: Admin, said: dict[str, str]) -> int:
    return len(said)


@router.get("/slow")
async def slow() -> str:
    release["began"].set()
    await release["slow"].wait()
    return "done"


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    return ServiceSettings(home=tmp_path, api_port=0, token_public_key_file=running.public_key(tmp_path))


@asynccontextmanager
async def listening(settings):
    service.draining().clear()
    async with (
        HttpServer.open(settings, "example") as shell,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{shell.port}") as client,
    ):
        shell.include(router)
        yield shell, client


@asynccontextmanager
async def serving(settings, bus, **checks):
    async with listening(settings) as (shell, client):
        task = asyncio.create_task(shell.serve(bus, **checks))
        while (await client.get("/readyz")).json()["checks"].get("tokens", {}).get("ok") is not True:
            pass
        try:
            yield shell, client, task
        finally:
            task.cancel()
            await asyncio.wait([task])


def bearer(text):
    return {"Authorization": f"Bearer {text}"}


async def test_it_is_alive_but_not_ready_before_the_service_is(settings):
    async with listening(settings) as (_, client):
        assert (await client.get("/livez")).status_code == 200
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["ready"]) == (503, False)
        assert "starting" in answer.json()["checks"]["start"]["why"]


async def test_readiness_names_each_dependency_and_why(settings, bus, nats):
    away = []

    async def database():
        if away:
            raise TransientError("the database is away")

    async with serving(settings, bus, database=database) as (_, client, _task):
        answer = await client.get("/readyz")
        assert answer.status_code == 200
        assert answer.json() == {
            "service": "example",
            "ready": True,
            "state": "serving",
            "checks": {"bus": {"ok": True}, "store": {"ok": True}, "database": {"ok": True}, "tokens": {"ok": True}},
        }
        away.append(1)
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"]["database"] == {"ok": False, "why": "the database is away", "degrades": False}
        away.clear()
        await nats.kill()
        while (answer := await client.get("/readyz")).json()["checks"]["bus"]["ok"]:
            pass
        assert answer.status_code == 503


async def test_a_part_that_does_not_work_degrades_and_is_a_metric(settings, bus):
    async def objects():
        raise TransientError("the store is away")

    check = degrades(objects, "large mail waits")
    async with serving(settings, bus, objects=check) as (_, client, _task):
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["state"]) == (200, "degraded")
        state = {"ok": False, "why": "the store is away: large mail waits", "degrades": True}
        assert answer.json()["checks"]["objects"] == state
        metrics = (await client.get("/metrics")).text
        assert 'varco_check_ok{check="objects",service="example"} 0.0' in metrics
        assert 'varco_check_ok{check="bus",service="example"} 1.0' in metrics


async def test_it_is_degraded_while_the_bus_has_no_room(settings):
    async with (
        nats_server(mail_max_bytes=100_000) as server,
        Bus.connect(server.settings(), "test") as bus,
        serving(settings, bus) as (_, client, _task),
    ):
        assert (await client.get("/readyz")).status_code == 200
        await bus.mail.append("accepted", record(), bytes(95_000))
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["state"]) == (200, "degraded")
        assert "stream MAIL is full" in answer.json()["checks"]["store"]["why"]
        assert 'varco_bus_stream_bytes{stream="MAIL"} 9' in (await client.get("/metrics")).text


async def test_a_check_that_is_broken_is_not_ready_and_says_nothing_of_itself(settings, bus):
    def broken():
        raise ZeroDivisionError("internals")

    async with serving(settings, bus, broken=broken) as (_, client, _task):
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert "internals" not in answer.text


async def test_metrics_and_docs_are_open(settings, bus):
    async with serving(settings, bus) as (_, client, _task):
        assert "python_info" in (await client.get("/metrics")).text
        assert "/accounts/{account}/senders" in (await client.get("/openapi.json")).json()["paths"]


async def test_the_docs_page_needs_no_other_host(settings, bus):
    async with serving(settings, bus) as (_, client, _task):
        page = (await client.get("/docs")).text
        needed = re.findall(r"""(?:src|href)=["']([^"']+)|url: ["']([^"']+)""", page)
        paths = [one or other for one, other in needed]
        assert len(paths) == 4  # script, style, icon, and the description that they show
        assert all(path.startswith("/") and not path.startswith("//") for path in paths)
        assert [(await client.get(path)).status_code for path in paths] == [200] * 4
        assert set(re.findall(r"https?://[^/'\"]+", page)) == set()


async def test_tokens_open_what_their_scope_covers(settings, bus):
    async with serving(settings, bus) as (_shell, client, _task):
        admin, acme = SIGNER.mint_admin()[1], SIGNER.mint("acme")[1]

        async def status(path, token):
            return (await client.get(path, headers=bearer(token) if token else {})).status_code

        assert [await status("/everything", token) for token in (admin, acme, "", "nonsense")] == [200, 403, 401, 401]
        assert [await status("/accounts/acme/senders", token) for token in (admin, acme, "")] == [200, 200, 401]
        assert [await status("/accounts/beta/senders", token) for token in (admin, acme)] == [200, 403]
        assert [await status("/anybody", token) for token in (admin, acme, "")] == [200, 200, 401]
        answer = await client.get("/everything")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_revoked_token_opens_nothing_any_more(settings, bus):
    async with serving(settings, bus) as (_shell, client, _task):
        token, text = SIGNER.mint("acme")
        assert (await client.get("/anybody", headers=bearer(text))).status_code == 200
        await bus.events.append(TokenRevoked(at=datetime.now(UTC), account="acme", token=token.id))
        async with asyncio.timeout(60):
            while (await client.get("/anybody", headers=bearer(text))).status_code != 401:
                pass
    async with serving(settings, bus) as (_, client, _task):
        assert (await client.get("/anybody", headers=bearer(text))).status_code == 401, "after a restart"


async def test_no_token_is_taken_before_the_revoked_ones_are_known(settings):
    async with listening(settings) as (_shell, client):
        answer = await client.get("/everything", headers=bearer(SIGNER.mint_admin()[1]))
        assert answer.status_code == 503
        assert answer.headers["retry-after"]


@pytest.mark.parametrize("name", ERRORS)
async def test_an_error_is_a_problem_and_never_a_stack_trace(settings, bus, name):
    error, status = ERRORS[name]
    async with serving(settings, bus) as (_, client, _task):
        answer = await client.get(f"/errors/{name}")
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, problem["status"]) == (status, status)
        assert problem["type"] == "about:blank"
        assert ("retry-after" in answer.headers) == (status == 503)
        assert (str(error) in answer.text) == (status != 500)
        assert "Traceback" not in answer.text


async def test_unknown_paths_methods_and_values_are_problems(settings, bus):
    async with serving(settings, bus) as (_shell, client, _task):
        token = bearer(SIGNER.mint_admin()[1])
        for answer, status in (
            (await client.get("/nowhere"), 404),
            (await client.post("/anybody", headers=token), 405),
            (await client.get("/numbers/many"), 422),
        ):
            assert answer.status_code == status
            assert answer.headers["content-type"] == "application/problem+json"
        assert "number" in answer.json()["detail"]


async def test_draining_is_not_ready_at_once_and_ends_what_is_in_flight(settings, bus):
    release["began"], release["slow"] = asyncio.Event(), asyncio.Event()
    async with serving(settings, bus) as (_, client, task):
        in_flight = asyncio.create_task(client.get("/slow"))
        await release["began"].wait()
        service.draining().set()
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert "draining" in answer.json()["checks"]
        refused = await client.get("/anybody")
        assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        release["slow"].set()
        assert (await in_flight).text == '"done"'
        await asyncio.wait([task])


async def test_a_port_that_is_taken_is_a_broken_setting(settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BrokenSetting, match=f"VARCO_API_PORT={port}: expected a port .*Address already in use"):
            async with HttpServer.open(settings.model_copy(update={"api_port": port}), "example"):
                pass


async def test_the_next_of_several_ports_is_taken_and_written_down(settings, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        first = taken.getsockname()[1]
        several = {"api_port": first, "api_ports": 20, "api_port_file": tmp_path / "port"}
        async with HttpServer.open(settings.model_copy(update=several), "example") as shell:
            assert first < shell.port < first + 20
            assert (tmp_path / "port").read_text() == str(shell.port)


async def test_nobody_fills_the_memory_without_a_token(settings):
    async def endless():
        for _ in range(2 * MAX_BODY >> 16):
            yield b" " * 65_536

    async with listening(settings) as (_, client):
        declared = await client.post("/words", content=b" " * (MAX_BODY + 1))
        chunked = await client.post("/words", content=endless())
    assert (declared.status_code, chunked.status_code) == (401, 401)
    assert declared.headers["content-type"] == chunked.headers["content-type"] == "application/problem+json"


async def test_nobody_fills_the_memory_with_a_token(settings, bus):
    async def endless():
        for _ in range(2 * MAX_BODY >> 16):
            yield b" " * 65_536

    async with serving(settings, bus) as (_shell, client, _):
        client.headers.update(bearer(SIGNER.mint_admin()[1]))
        declared = await client.post("/words", content=b" " * (MAX_BODY + 1))
        chunked = await client.post("/words", content=endless())
        fitting = await client.post("/words", content=b" " * MAX_BODY)
    assert (declared.status_code, chunked.status_code) == (413, 413)
    assert declared.headers["content-type"] == chunked.headers["content-type"] == "application/problem+json"
    assert fitting.status_code == 422
