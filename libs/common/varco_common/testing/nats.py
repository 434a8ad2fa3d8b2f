"""A real nats-server for tests, with JetStream that acknowledges after fsync."""

import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from varco_common.bus.bus_settings import MAX_PAYLOAD, BusSettings
from varco_common.bus.streams import ensure, manager
from varco_common.testing.processes import Server, binary, free_port

CONFIG = """
listen: "127.0.0.1:{port}"
max_payload: {max_payload}
jetstream {{ store_dir: {store}, sync_interval: always, max_file_store: {max_file_store} }}
{extra}
"""


class NatsServer(Server):
    """Has `kill`, `start`, `stop` and `restart` of Server. The store outlives the process."""

    def __init__(self, home: Path, extra: str, max_file_store: str) -> None:
        self.home = home
        port = free_port()
        config = home / "nats.conf"
        config.write_text(
            CONFIG.format(
                port=port, max_payload=MAX_PAYLOAD, store=home / "store", max_file_store=max_file_store, extra=extra
            )
        )
        super().__init__([binary("nats-server"), "-c", str(config)], home / "nats.log", port)

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def settings(self, user: str = "", password: str = "", **limits: float) -> BusSettings:
        """How to connect, as `user` if the server has users. `limits` are fields of BusSettings."""
        secret = None
        if user:
            secret = self.home / f"{user}.password"
            secret.write_text(password)
            secret.chmod(0o600)
        return BusSettings(url=self.url, user=user, password_file=secret, **limits)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def nats_server(
    *,
    streams: bool = True,
    extra: str = "",
    admin: tuple[str, str] = ("", ""),
    mail_max_bytes: int = -1,
    max_file_store: str = "1GB",
) -> AsyncIterator[NatsServer]:
    """Runs a nats-server on an ephemeral port with a temporary store, and creates its `streams`.

    `extra` is further configuration. If that has users, `admin` is the user and password of one
    that may create streams.
    """
    with tempfile.TemporaryDirectory(prefix="varco-nats-") as home:
        server = NatsServer(Path(home), extra, max_file_store)
        try:
            await server.start()
            if streams:
                settings = server.settings(*admin, mail_max_bytes=mail_max_bytes)
                async with manager(settings) as connection:
                    await ensure(connection, settings)
            yield server
        finally:
            await server.stop()
