"""The embedded bus: the configuration of nats-server, its users and its streams."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from varco_cli.stack.installed import ServiceDescription
from varco_cli.stack.state_directory import StateDirectory
from varco_common.base.durable_file import write_durable
from varco_common.bus import streams
from varco_common.bus.bus_settings import MAX_PAYLOAD, BusSettings

OPERATOR = "operator"

CONFIG = """\
# Written by {author}, which overwrites changes.
server_name: {name}
listen: {listen}
max_payload: {max_payload}
max_control_line: 16KB
jetstream {{
  store_dir: {store}
  sync_interval: always  # acknowledged means fsynced
  max_file_store: 1PB  # the default, 75 % of the free space, would limit events as well: disk_room.py limits mail
}}
authorization {{
  users: {users}
}}
{more}"""


def configure(home: StateDirectory, address: str, port: int, services: Sequence[ServiceDescription]) -> Path:
    """Writes nats.conf, mode 0600, for the embedded bus."""
    path = home.path / "nats.conf"
    listen, store = f"{address}:{port}", str(home.path / "nats")
    write_durable(path, config(home, services, author="`varco up` at each start", listen=listen, store=store))
    return path


def config(
    home: StateDirectory,
    services: Sequence[ServiceDescription],
    *,
    author: str,
    listen: str,
    store: str,
    name: str = "varco",
    more: str = "",
) -> str:
    """Returns the text of nats.conf.

    Each service is a user with its own subjects. The operator creates the streams.

    `name` is the name of the server, and `more` has further blocks. Both are in the syntax of
    nats.conf, where `$NAME` is an environment variable.
    """
    users: list[dict[str, object]] = [_user(home, OPERATOR)]
    users += [_user(home, service.name) | {"permissions": service.permissions} for service in services]
    return CONFIG.format(
        author=author,
        name=name,
        listen=json.dumps(listen),
        max_payload=MAX_PAYLOAD,
        store=json.dumps(store),
        users=json.dumps(users, indent=2),
        more=more,
    )


def _user(home: StateDirectory, name: str) -> dict[str, object]:
    return {"user": name, "password": home.bus_password(name).read_text().strip()}


def operator(home: StateDirectory, address: str, port: int) -> BusSettings:
    """Returns the connection settings of the operator, which only the stack uses."""
    return BusSettings(url=f"nats://{address}:{port}", user=OPERATOR, password_file=home.bus_password(OPERATOR))


async def ready(address: str, port: int) -> bool:
    """Says whether the server sends its greeting."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                return (await reader.readline()).startswith(b"INFO ")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def ensure_streams(settings: BusSettings) -> None:
    """Creates MAIL and EVENTS, or sets their limits to those of the settings."""
    async with streams.manager(settings) as connection:
        await streams.ensure(connection, settings)
