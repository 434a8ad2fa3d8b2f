"""The files of a deployment: made once, of mode 0600, and owned by the user that the containers run as."""

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

NOBODY_ELSE = 10_001  # whom the containers run as where root makes the files: never root
FOLDERS = ("secrets", "tls", "bus")
SUPERUSER = "postgres.password"
NODES = ("nats", "nats-2", "nats-3")  # compose.cluster.yml names them so
CLUSTER = """\
cluster {{
  name: varco
  listen: "0.0.0.0:6222"
  authorization {{ user: routes, password: "{password}" }}
  routes: [{routes}]
}}
"""


def make(home: StateDirectory, environment: Path, services: Sequence[ServiceDescription], hostname: str) -> None:
    """What isn't there yet: secrets, a certificate, `environment` (.env). nats.conf follows the services, each time anew."""
    home.prepare("127.0.0.1", *filter(None, [hostname]))
    make_directory(home.path / "bus")
    for name, length in ((SUPERUSER, 32), ("s3.access", 10), ("s3.secret", 20), ("grafana.password", 16)):
        home.secret(name, length)
    home.secret("relay.key", make=lambda _: Fernet.generate_key().decode())
    for service in services:
        if service.tables:
            home.secret(database_password(service.name))
    for name, server, more in (("nats.conf", "varco", ""), ("cluster.conf", "$VARCO_NODE", _cluster(home))):
        text = bus.config(
            home, services, author="`varco init`", listen="0.0.0.0:4222", store="/data", name=server, more=more
        )
        write_durable(home.path / "bus" / name, text)
    user, group = _give_away(home)
    _complete(
        environment, {"VARCO_UID": str(user), "VARCO_GID": str(group), "VARCO_HOSTNAME": hostname or socket.getfqdn()}
    )


def _cluster(home: StateDirectory) -> str:
    """The block of nats.conf that makes one bus of NODES: each knows all by name, and a password of their own."""
    password = home.secret("nats-routes.password").read_text().strip()
    routes = ", ".join(f'"nats://routes:{password}@{node}:6222"' for node in NODES)
    return CLUSTER.format(password=password, routes=routes)


def database_password(service: str) -> str:
    """The name of the secret."""
    return f"db-{service}.password"


def _give_away(home: StateDirectory) -> tuple[int, int]:
    """The user and group of the containers: whoever makes the files, but for root, who gives them to another."""
    if os.geteuid():
        return os.geteuid(), os.getegid()
    for path in (home.path, home.admin_token, *(file for name in FOLDERS for file in _below(home.path / name))):
        shutil.chown(path, NOBODY_ELSE, NOBODY_ELSE)
    return NOBODY_ELSE, NOBODY_ELSE


def _below(folder: Path) -> list[Path]:
    return [folder, *folder.rglob("*")]


def _complete(file: Path, values: dict[str, str]) -> None:
    """Adds what the file doesn't set yet."""
    text = file.read_text() if file.exists() else ""
    known = {line.partition("=")[0].strip() for line in text.splitlines()}
    missing = [f"{name}={value}\n" for name, value in values.items() if name not in known]
    if missing:
        whole = text + ("" if not text or text.endswith("\n") else "\n") + "".join(missing)
        write_durable(file, whole, file.stat().st_mode & 0o777 if file.exists() else 0o644)
