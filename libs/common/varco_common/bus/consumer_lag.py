"""How far each follower and consumer is behind its stream, computed when Prometheus asks."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class ConsumerLag(NamedTuple):
    """How many records wait, and when the oldest of them was stored (ns since 1970; 0: none)."""

    records: int
    oldest: int


class FollowerName(NamedTuple):
    """The labels of the gauges."""

    service: str
    stream: str
    follower: str


def default_name(filters: tuple[str, ...]) -> str:
    """The name of a follower that has none: its filters, shortened."""
    first = filters[0] if filters else ">"
    return first if len(filters) < 2 else f"{first} +{len(filters) - 1}"


class ConsumerLags(Collector):
    """All followers of this process.

    Of two with the same name, it shows the one that is further behind.
    """

    def __init__(self) -> None:
        self._sources: dict[object, tuple[FollowerName, Callable[[], ConsumerLag]]] = {}

    @contextmanager
    def shown(self, name: FollowerName, lag: Callable[[], ConsumerLag]) -> Iterator[None]:
        """Shows the lag in /metrics inside the block."""
        key = object()
        self._sources[key] = name, lag
        try:
            yield
        finally:
            del self._sources[key]

    def describe(self) -> list[GaugeMetricFamily]:
        """Prometheus calls it at registration: there is nothing to show yet."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields one family for the counts and one for the ages."""
        worst: dict[FollowerName, tuple[int, float]] = {}
        for name, lag in self._sources.values():
            records, oldest = lag()
            age = max(time.time() - oldest / 1e9, 0.0) if records and oldest else 0.0
            worst[name] = max(worst.get(name, (0, 0.0)), (records, age))
        count = GaugeMetricFamily(
            "varco_bus_lag_records",
            "Records of a stream that a follower hasn't dealt with yet",
            labels=FollowerName._fields,
        )
        ages = GaugeMetricFamily(
            "varco_bus_lag_seconds",
            "Age of the oldest of those records that it knows of",
            labels=FollowerName._fields,
        )
        for name, (records, age) in worst.items():
            count.add_metric(list(name), records)
            ages.add_metric(list(name), age)
        yield from (count, ages)


consumer_lags = ConsumerLags()
REGISTRY.register(consumer_lags)
