"""A real S3 server (SeaweedFS) for tests."""

import contextlib
import secrets
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from varco_common.base.errors import TransientError
from varco_common.storage import seaweed
from varco_common.storage.object_store import ObjectStore, open_store
from varco_common.storage.settings import ObjectStoreSettings
from varco_common.testing.processes import READY_SECONDS, Server, binary, free_port
from varco_common.testing.waiting import eventually


class S3Server(Server):
    """Has `kill`, `start`, `stop` and `restart` of Server. The store outlives the process."""

    def __init__(self, home: Path) -> None:
        self.home = home
        access, secret = secrets.token_hex(10), secrets.token_hex(20)
        (home / "access.key").write_text(access)
        (home / "secret.key").write_text(secret)
        seaweed.credentials(home, access, secret)
        ports = {name: free_port() for name in seaweed.PORTS}
        super().__init__(
            seaweed.command(binary("weed"), home, ports), home / "weed.log", ports["s3"], seaweed.environment(home)
        )

    async def start(self) -> None:
        """Waits until an object can be stored and read: the port answers seconds before that."""
        await super().start()
        probe = open_store(self.settings, "varco-ready")
        await eventually(lambda: _works(probe), READY_SECONDS)
        await probe.close()

    @property
    def settings(self) -> ObjectStoreSettings:
        """How to connect."""
        return ObjectStoreSettings(
            endpoint=f"http://127.0.0.1:{self.port}",
            access_key_file=self.home / "access.key",
            secret_key_file=self.home / "secret.key",
            sync_directory=self.home / "data",
        )


@contextlib.asynccontextmanager
async def s3_server() -> AsyncIterator[S3Server]:
    """Runs SeaweedFS with S3 on ephemeral ports and a temporary store; starts in some 4 s."""
    with tempfile.TemporaryDirectory(prefix="varco-s3-") as home:
        server = S3Server(Path(home))
        try:
            await server.start()
            yield server
        finally:
            await server.kill()  # stopping takes it 15 s


async def _works(probe: ObjectStore) -> bool:
    try:
        await probe.ensure()
        await probe.put("ready", b"yes")
        return await probe.get("ready") == b"yes"
    except TransientError:
        return False
