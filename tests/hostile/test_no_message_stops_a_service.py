"""Whatever lies at the subjects that a service follows: it starts, goes on, and starts again."""

import importlib
from collections.abc import Iterator

import pytest

from varco_common.bus.streams import manager
from varco_common.runtime.service import Service, installed
from varco_common.testing import NatsServer

WITHOUT_STORE = ("banguard", "policy", "ratelimit")  # the others have tests of their own (audit) or need bodies
PAYLOADS = (b"", b"\xff\x00", b"{}", b"null", b"[]", b'{"type":1}', b'{"type":"%s.v1","at":"9999-99-99"}', b"[" * 5_000)


def subjects(service: Service) -> Iterator[str]:
    """One subject for each filter of EVENTS that the service follows."""
    for subject_filter in dict.fromkeys(service.subscribes):
        if subject_filter.startswith("events."):
            yield subject_filter.replace("*", "acme")


@pytest.mark.parametrize("name", WITHOUT_STORE)
async def test_no_unreadable_event_stops_a_service(name: str, nats: NatsServer, start):
    service = next(service for service in installed() if service.name == name)
    serve = importlib.import_module(service.serve.__module__).serve
    async with manager(nats.settings()) as raw:
        async with start(serve, service.settings):
            for subject in subjects(service):
                for payload in PAYLOADS:
                    await raw.request(subject, payload)
        async with start(serve, service.settings) as running:  # `start` waits until it is ready
            assert (await running.admin.get("/livez")).status_code == 200
