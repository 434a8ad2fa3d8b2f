"""Migrations of services in processes of their own, before the services run."""

import asyncio
import os
from collections.abc import Mapping, Sequence

from varco_common.base.settings import load
from varco_common.runtime.service import Service
from varco_common.storage import database
from varco_common.storage.settings import WithDatabase

_SECONDS = 10.0  # to reach the database. A migration may take any time


def migrate_apart(services: Sequence[Service], variables: Mapping[str, Mapping[str, str]]) -> None:
    """Applies migrations in forked processes, because they leave memory behind.

    To be called before there are threads. If it fails, the service tries itself, and reports why.
    """
    begun = [
        _begin_migration(service.name, service.settings, variables.get(service.name, {}))
        for service in services
        if issubclass(service.settings, WithDatabase)
    ]
    for pid in begun:
        os.waitpid(pid, 0)


def _begin_migration(service: str, settings: type[WithDatabase], variables: Mapping[str, str]) -> int:
    if pid := os.fork():
        return pid
    try:
        os.environ.update(variables)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        asyncio.run(_migrate(service, load(settings).database_of(service)))
    finally:
        os._exit(0)


async def _migrate(name: str, url: str) -> None:
    if not url.startswith("sqlite"):  # a file is there at once, and opening it would hinder a swap
        async with asyncio.timeout(_SECONDS):
            await database.log_in(url)
    async with database.connect(url, name) as engine:
        await database.migrate(engine, f"varco_{name}")
