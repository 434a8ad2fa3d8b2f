"""Gauges that are computed when Prometheus asks: the queue, its age, and the routes, by account."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from varco_relay.queue_service import QueueService
from varco_relay.smtp.pool_registry import Unroutable


@dataclass
class _Seen:
    queued: int = 0
    held: int = 0


class Gauges(Collector):
    """Reads a desk."""

    def __init__(self, desk: QueueService) -> None:
        self._desk = desk

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing is asked at registration."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One family a figure."""
        queue = _by_account("varco_relay_queue_mails", "Mails waiting for another attempt")
        held = _by_account("varco_relay_queue_held_mails", "Mails held by hand")
        oldest = _by_account(
            "varco_relay_oldest_seconds", "Age of the oldest mail that was tried, without a final outcome"
        )
        down = _by_account("varco_relay_route_down", "1 while the account's next hop can't be reached")
        no_route = _by_account("varco_relay_no_route", "1 while the account has no route, and its mail waits")
        seen = self._seen()
        for account in self._desk.accounts():
            way, found = self._desk.way(account), seen.get(account, _Seen())
            queue.add_metric([account], found.queued)
            held.add_metric([account], found.held)
            oldest.add_metric([account], self._desk.oldest_seconds(account))
            down.add_metric([account], bool(way.why) and not isinstance(way, Unroutable))
            no_route.add_metric([account], isinstance(way, Unroutable))
        yield from (queue, held, oldest, down, no_route, self._connections())

    def _seen(self) -> dict[str, _Seen]:
        seen: dict[str, _Seen] = {}
        for state in self._desk.waiting():
            found = seen.setdefault(state.account, _Seen())
            found.queued += 1
            found.held += state.held
        return seen

    def _connections(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily("varco_relay_connections", "Open connections to a next hop", labels=["next_hop"])
        totals: dict[str, int] = {}
        for lane in self._desk.lanes():
            totals[lane.name] = totals.get(lane.name, 0) + lane.connections
        for name, count in totals.items():
            family.add_metric([name], count)
        return family


@contextmanager
def shown(desk: QueueService) -> Iterator[None]:
    """In /metrics inside the block."""
    gauges = Gauges(desk)
    REGISTRY.register(gauges)
    try:
        yield
    finally:
        REGISTRY.unregister(gauges)


def _by_account(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=["account"])
