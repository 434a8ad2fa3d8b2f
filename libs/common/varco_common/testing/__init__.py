"""Real servers for tests, each with its own store and ports; `fixtures` has them for pytest."""

from varco_common.testing.nats import NatsServer, nats_server
from varco_common.testing.processes import free_port
from varco_common.testing.s3 import S3Server, s3_server

__all__ = ["NatsServer", "S3Server", "free_port", "nats_server", "s3_server"]
