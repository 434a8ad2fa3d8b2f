"""The files of a deployment, created once with mode 0600.

Their owner is the user that the containers run as.
"""

import os
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet

from varco_cli.stack import bus
from varco_cli.stack.installed import ServiceDescription
from varco_cli.stack.state_directory import StateDirectory
from varco_common.base.durable_file import make_directory, write_durable

NOBODY_ELSE = 10_001  # the containers run as this user where root creates the files
FOLDERS = ("secrets", "tls", "bus")
SUPERUSER = "postgres.password"
SERVICE_KEYS = ("relay.key", "console.key", "filelink.key")  # in the form of `varco_common.runtime.key_file`
NODES = ("nats", "nats-2", "nats-3")  # their names in compose.cluster.yml
CLUSTER = """\
cluster {{
  name: varco
  listen: "0.0.0.0:6222"
  authorization {{ user: routes, password: "{password}" }}
  routes: [{routes}]
}}
"""


def make(home: StateDirectory, environment: Path, services: Sequence[ServiceDescription], hostname: str) -> None:
    """Creates missing secrets, the certificate and the file `environment` (.env).

    Writes nats.conf each time, because it depends on the services.
    """
    home.prepare("127.0.0.1", *filter(None, [hostname]))
    make_directory(home.path / "bus")
    for name, length in ((SUPERUSER, 32), ("s3.access", 10), ("s3.secret", 20), ("grafana.password", 16)):
        home.secret(name, length)
    for name in SERVICE_KEYS:
        home.secret(name, make=lambda _: Fernet.generate_key().decode())
    for service in services:
        if service.tables:
            home.secret(database_password(service.name))
    for name, server, more in (("nats.conf", "varco", ""), ("cluster.conf", "$VARCO_NODE", _cluster(home))):
        text = bus.config(
            home, services, author="`varco init`", listen="0.0.0.0:4222", store="/data", name=server, more=more
        )
        write_durable(home.path / "bus" / name, text)
    user, group = _give_away(home)
    for folder in ("exports", "backups"):  # Docker would make them for root
        _make_owned(environment.absolute().parent / folder, user, group)
    _complete(
        environment, {"VARCO_UID": str(user), "VARCO_GID": str(group), "VARCO_HOSTNAME": hostname or socket.getfqdn()}
    )


def _cluster(home: StateDirectory) -> str:
    """Returns the block of nats.conf that joins NODES to one bus."""
    password = home.secret("nats-routes.password").read_text().strip()
    routes = ", ".join(f'"nats://routes:{password}@{node}:6222"' for node in NODES)
    return CLUSTER.format(password=password, routes=routes)


def database_password(service: str) -> str:
    """Returns the name of the secret with the password of a service's role."""
    return f"db-{service}.password"


def _give_away(home: StateDirectory) -> tuple[int, int]:
    """Returns the user and group of the containers: the caller's.

    Root gives the files to another user.
    """
    if os.geteuid():
        return os.geteuid(), os.getegid()
    for path in (home.path, home.admin_token, *(file for name in FOLDERS for file in _below(home.path / name))):
        shutil.chown(path, NOBODY_ELSE, NOBODY_ELSE)
    return NOBODY_ELSE, NOBODY_ELSE


def _make_owned(folder: Path, user: int, group: int) -> None:
    if not folder.exists():
        make_directory(folder)
        shutil.chown(folder, user, group)


def _below(folder: Path) -> list[Path]:
    return [folder, *folder.rglob("*")]


def _complete(file: Path, values: dict[str, str]) -> None:
    """Adds the variables that the file doesn't set yet."""
    text = file.read_text() if file.exists() else ""
    known = {line.partition("=")[0].strip() for line in text.splitlines()}
    missing = [f"{name}={value}\n" for name, value in values.items() if name not in known]
    if missing:
        whole = text + ("" if not text or text.endswith("\n") else "\n") + "".join(missing)
        write_durable(file, whole, file.stat().st_mode & 0o777 if file.exists() else 0o644)
