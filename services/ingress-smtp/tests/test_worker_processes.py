"""Several processes on one port: all take mail, what dies comes back, none outlives the first."""

import os
import signal
from contextlib import suppress

import httpx

from varco_common.testing.processes import alive
from varco_common.testing.smtp import Client
from varco_common.testing.waiting import eventually


async def processes(ingress):
    headers = {"Authorization": f"Bearer {ingress.admin}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ingress.api}", headers=headers) as http:
        with suppress(httpx.HTTPError):
            answer = await http.get("/processes")
            if answer.status_code == 200:
                return {each["pid"]: each["api_port"] for each in answer.json()}
    return {}


async def siblings(ingress, but=0):
    """The API ports of the other processes by pid, without that of a process that was killed."""
    return {pid: port for pid, port in (await processes(ingress)).items() if port and pid != but}


async def ready(port):
    async with httpx.AsyncClient(timeout=60) as http:
        with suppress(httpx.HTTPError):
            return (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
    return False


async def test_siblings_take_mail_come_back_and_end_with_the_first(spawn):
    ingress = await spawn(VARCO_INGRESS_PROCESSES="2")
    await eventually(lambda: ready(ingress.api))
    ((sibling, api),) = (await eventually(lambda: siblings(ingress))).items()
    await eventually(lambda: ready(api))
    for _ in range(10):
        async with Client.open(ingress.port) as client:
            await client.hello()
            assert (await client.mail()).startswith("250 ")
    os.kill(sibling, signal.SIGKILL)
    (other,) = await eventually(lambda: siblings(ingress, but=sibling))
    ingress.process.kill()
    await ingress.process.wait()
    await eventually(lambda: not alive(other))


async def test_sigterm_ends_all(spawn):
    ingress = await spawn(VARCO_INGRESS_PROCESSES="2")
    await eventually(lambda: siblings(ingress))
    await eventually(lambda: ready(ingress.api))
    running = await processes(ingress)
    assert len(running) == 2
    ingress.process.terminate()
    assert await ingress.process.wait() == 0
    assert not any(map(alive, running))


async def test_the_sessions_are_shown(spawn):
    ingress = await spawn()
    await eventually(lambda: ready(ingress.api))
    async with Client.open(ingress.port) as client, httpx.AsyncClient(timeout=60) as http:
        await client.hello()
        await client.envelope()
        url = f"http://127.0.0.1:{ingress.api}/sessions"
        assert (await http.get(url)).status_code == 401
        answer = await http.get(url, headers={"Authorization": f"Bearer {ingress.admin}"})
        (session,) = answer.json()["sessions"]
        assert (session["host"], session["account"], session["helo"]) == ("127.0.0.1", "acme", "client.example")
        metrics = (await http.get(f"http://127.0.0.1:{ingress.api}/metrics")).text
        assert "varco_ingress_connections 1.0" in metrics
