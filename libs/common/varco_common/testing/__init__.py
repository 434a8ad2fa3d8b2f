"""Real servers for tests, each with its own store and ports; `fixtures` has them for pytest."""

from varco_common.testing.nats import NatsServer, nats_server
from varco_common.testing.processes import free_port

__all__ = ["NatsServer", "free_port", "nats_server"]
