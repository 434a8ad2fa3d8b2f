"""The revisions that are read from the text of migrations are those that alembic applies."""

import fcntl
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from varco_cli.stack.installed import ServiceDescription, installed_services
from varco_common.storage.database import revisions
from varco_common.storage.database.migration import _config

SECONDS = 60.0
APART = """
import sys
from varco_cli import migrations_apart
from varco_common.runtime.service import Service
from varco_common.storage.settings import WithDatabase

migrations_apart._SECONDS = 0.1
service = Service(name="ratelimit", role=("recorder",), settings=WithDatabase, serve=None)
migrations_apart.migrate_apart([service], {"ratelimit": {"VARCO_DATABASE_URL": sys.argv[1]}})
"""


@pytest.mark.parametrize(
    "service", [service for service in installed_services(everywhere=True) if service.tables], ids=lambda one: one.name
)
def test_revisions_are_those_of_alembic(service: ServiceDescription) -> None:
    package = f"varco_{service.name}"
    scripts = ScriptDirectory.from_config(_config(package)).walk_revisions()
    assert revisions(package) == tuple(script.revision for script in scripts)


def test_a_migration_may_take_longer_than_it_takes_to_connect(tmp_path: Path) -> None:
    database, lock = tmp_path / "ratelimit.db", tmp_path / "ratelimit.db.lock"
    with lock.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        command = [sys.executable, "-c", APART, f"sqlite+aiosqlite:///{database}"]
        migrating = subprocess.Popen(command, env={"PATH": os.environ["PATH"], "VARCO_HOME": str(tmp_path)})
        wait_until_locked_out(lock)
        time.sleep(0.5)  # five times as long as it may take to connect
    assert migrating.wait(SECONDS) == 0
    with sqlite3.connect(database) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert "counted" in tables


def wait_until_locked_out(lock: Path) -> None:
    """Waits until a process waits for the lock, as /proc/locks shows it with an arrow."""
    deadline = time.monotonic() + SECONDS
    waiting = f":{lock.stat().st_ino} "
    while not any("->" in line and waiting in line for line in Path("/proc/locks").read_text().splitlines()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
