"""Gauges that are computed when Prometheus asks: the queue, its age, and the routes, by account."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from varco_relay.queue_service import QueueService
from varco_relay.smtp.pool_registry import PoolRegistry, Unroutable
from varco_relay.worker_supervisor import WorkerSupervisor


def oldest_seconds(queue: QueueService, workers: WorkerSupervisor, account: str) -> float:
    """The age of the account's oldest mail (empty: of any) without a final outcome."""
    times = [mail.accepted_at for mail in queue.mails(account) if mail.accepted_at]
    oldest = min([*times, *filter(None, [workers.oldest(account)])], default=None)
    return (datetime.now(UTC) - oldest).total_seconds() if oldest else 0.0


class Gauges(Collector):
    """The gauges of one relay."""

    def __init__(self, queue: QueueService, workers: WorkerSupervisor, pools: PoolRegistry) -> None:
        self._queue, self._workers, self._pools = queue, workers, pools

    def describe(self) -> list[GaugeMetricFamily]:
        """Empty, so that registering computes nothing."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        queue = _by_account("varco_relay_queue_mails", "Mails waiting for another attempt")
        held = _by_account("varco_relay_queue_held_mails", "Mails held by hand")
        oldest = _by_account(
            "varco_relay_oldest_seconds", "Age of the oldest mail that was tried, without a final outcome"
        )
        down = _by_account("varco_relay_route_down", "1 while the account's next hop can't be reached")
        no_route = _by_account("varco_relay_no_route", "1 while the account has no route, and its mail waits")
        queued_mails = Counter(mail.account for mail in self._queue.mails())
        held_mails = Counter(mail.account for mail in self._queue.mails() if mail.held)
        for account in self._workers.accounts():
            destination = self._workers.destination(account)
            unroutable = isinstance(destination, Unroutable)
            by_hand = isinstance(destination, Unroutable) and destination.held
            queue.add_metric([account], queued_mails[account])
            held.add_metric([account], held_mails[account])
            oldest.add_metric([account], oldest_seconds(self._queue, self._workers, account))
            down.add_metric([account], bool(destination.down_reason) and not unroutable)
            no_route.add_metric([account], unroutable and not by_hand)
        yield from (queue, held, oldest, down, no_route, self._connections(), self._hops_down())

    def _hops_down(self) -> GaugeMetricFamily:
        text = "1 while a next hop can't be reached, even if others take its mail"
        family = GaugeMetricFamily("varco_relay_next_hop_down", text, labels=["next_hop"])
        down: dict[str, bool] = {}  # accounts may reach one next hop with several logins
        for pool in self._pools.pools():
            down[pool.name] = down.get(pool.name, False) or bool(pool.down_reason)
        for name, is_down in down.items():
            family.add_metric([name], is_down)
        return family

    def _connections(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily("varco_relay_connections", "Open connections to a next hop", labels=["next_hop"])
        connections: Counter[str] = Counter()
        for pool in (*self._pools.pools(), *self._pools.mx_pools()):
            connections[pool.label] += pool.connections
        for name, count in connections.items():
            family.add_metric([name], count)
        return family

    @contextmanager
    def registered(self) -> Iterator[None]:
        """They appear in /metrics inside the block."""
        REGISTRY.register(self)
        try:
            yield
        finally:
            REGISTRY.unregister(self)


def _by_account(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=["account"])
