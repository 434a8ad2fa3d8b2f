"""Whatever lies at the subjects that a service follows: it starts, goes on, and starts again."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from varco_common.bus.streams import manager
from varco_common.runtime.service import Service, installed
from varco_common.testing import NatsServer, free_port
from varco_common.testing.certificates import self_signed

# audit has its own test
SERVICES = ("archive", "banguard", "domains", "filelink", "ingress-smtp", "policy", "ratelimit", "relay")
PAYLOADS = (b"", b"\xff\x00", b"{}", b"null", b"[]", b'{"type":1}', b'{"type":"%s.v1","at":"9999-99-99"}', b"[" * 5_000)


def subjects(service: Service) -> Iterator[str]:
    """One subject for each filter of EVENTS that the service follows."""
    for subject_filter in dict.fromkeys(service.subscribes):
        if subject_filter.startswith("events."):
            yield subject_filter.replace("*", "acme")


def listeners(service: Service, home: Path) -> dict[str, int]:
    """Free ports for what faces the outside, and a certificate."""
    (home / "tls").mkdir(exist_ok=True)
    self_signed(home / "tls", "gate.example")
    names = ("smtp_port", "submission_port", "smtps_port", "pop3_port", "pop3s_port", "links_port")
    return {name: free_port() for name in names if name in service.settings.model_fields}


@pytest.mark.parametrize("name", SERVICES)
async def test_no_unreadable_event_stops_a_service(name: str, nats: NatsServer, start, tmp_path: Path):
    service = next(service for service in installed() if service.name == name)
    serve = importlib.import_module(service.serve.__module__).serve
    async with manager(nats.settings()) as raw:
        async with start(serve, service.settings, **listeners(service, tmp_path)):
            for subject in subjects(service):
                for payload in PAYLOADS:
                    await raw.request(subject, payload, timeout=30)  # stored, however busy the machine
        async with start(
            serve, service.settings, **listeners(service, tmp_path)
        ) as running:  # `start` waits until it is ready
            assert (await running.admin.get("/livez")).status_code == 200
