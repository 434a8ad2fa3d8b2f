"""relay with short delays. As a program: `varco-relay` with them."""

from datetime import timedelta

from varco_relay import account_worker, app, queue_runner
from varco_relay.decide.retry_schedule import Backoff
from varco_relay.smtp import connection_pool
from varco_relay.tls_reports import reporter


def hurry() -> None:
    """Sets the constants that nobody else changes."""
    account_worker.ACK_WAIT_SECONDS = 2.0
    queue_runner.ROUTE_CHECK = queue_runner.HELD_CHECK = timedelta(seconds=0.02)
    reporter.LONGEST_DELAY, reporter.CHECK_SECONDS = timedelta(0), 0.1
    connection_pool.RECONNECT = Backoff(first=timedelta(seconds=0.05), longest=timedelta(seconds=0.2))


if __name__ == "__main__":
    hurry()
    app.main()
