"""How far each follower and puller is behind its stream, computed when Prometheus asks."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class ConsumerLag(NamedTuple):
    """What isn't dealt with yet: how many records, and when the oldest that is known of was stored (ns since 1970; 0: none)."""

    records: int
    oldest: int


class FollowerPosition(NamedTuple):
    """Who is behind on what: labels of the gauges."""

    service: str
    stream: str
    follower: str


def named(filters: tuple[str, ...]) -> str:
    """A follower that has no name of its own is called by what it follows."""
    first = filters[0] if filters else ">"
    return first if len(filters) < 2 else f"{first} +{len(filters) - 1}"


class Lags(Collector):
    """All followers of this process. Two of the same place show the worse of them."""

    def __init__(self) -> None:
        self._known: dict[object, tuple[FollowerPosition, Callable[[], ConsumerLag]]] = {}

    @contextmanager
    def shown(self, place: FollowerPosition, behind: Callable[[], ConsumerLag]) -> Iterator[None]:
        """In /metrics inside the block."""
        key = object()
        self._known[key] = place, behind
        try:
            yield
        finally:
            del self._known[key]

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing is asked at registration."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One family a figure."""
        worst: dict[FollowerPosition, tuple[int, float]] = {}
        for place, behind in self._known.values():
            records, oldest = behind()
            age = max(time.time() - oldest / 1e9, 0.0) if records and oldest else 0.0
            worst[place] = max(worst.get(place, (0, 0.0)), (records, age))
        count = GaugeMetricFamily(
            "varco_bus_lag_records",
            "Records of a stream that a follower hasn't dealt with yet",
            labels=FollowerPosition._fields,
        )
        ages = GaugeMetricFamily(
            "varco_bus_lag_seconds",
            "Age of the oldest of those records that it knows of",
            labels=FollowerPosition._fields,
        )
        for place, (records, age) in worst.items():
            count.add_metric(list(place), records)
            ages.add_metric(list(place), age)
        yield from (count, ages)


lags = Lags()
REGISTRY.register(lags)
