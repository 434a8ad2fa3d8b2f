"""Prometheus beside docker compose knows each service by name, even before its first start."""

import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from varco_common.testing.processes import Server, free_port
from varco_common.testing.waiting import eventually

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "monitoring" / "prometheus"
BINARY = shutil.which("prometheus")


def services() -> set[str]:
    """Returns those of docker-compose.yml that have an API."""
    composed: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return {name for name, service in composed.items() if "healthy.py" in str(service.get("healthcheck"))}


def test_every_service_is_a_target_by_name():
    jobs = yaml.safe_load((PROMETHEUS / "compose.yml").read_text())["scrape_configs"]
    named = [
        target["labels"]["service"]
        for job in jobs
        if job["job_name"] != "varco-replicas"
        for target in job["static_configs"]
    ]
    assert len(services()) > 10
    assert sorted(named) == sorted(services())


@pytest.mark.skipif(not BINARY, reason="no Prometheus is installed here (Debian: package prometheus)")
async def test_prometheus_misses_services_that_have_no_address(tmp_path: Path):
    for file in PROMETHEUS.glob("*.yml"):
        (tmp_path / file.name).write_text(file.read_text().replace("interval: 15s", "interval: 1s"))
    port = free_port()
    server = Server(
        [
            str(BINARY),
            f"--config.file={tmp_path / 'compose.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        tmp_path / "prometheus.log",
        port,
    )
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:

            async def missed() -> set[str]:
                answer = await client.get("/api/v1/query", params={"query": 'up{job="varco"} == 0'})
                return {one["metric"]["service"] for one in answer.json()["data"]["result"]}

            async def all_are_missed() -> bool:
                return await missed() == services()

            await eventually(all_are_missed, 120)
    finally:
        await server.stop()
