"""Whether bus, database and object store take the names and passwords that the settings give."""

import asyncio
from collections.abc import AsyncIterator

from pydantic import Field

from varco_cli.checks.finding import CheckFinding, of_broken
from varco_common.base.errors import TransientError
from varco_common.base.settings import BrokenSetting, Internal
from varco_common.bus.settings import WithBus
from varco_common.storage.settings import WithDatabase, WithObjectStore

SECONDS = 10.0
_AWAY = "start it, or correct the address"
_KEYS = "start it, or correct the address and the keys in secrets/s3.access and s3.secret"


class ConnectionSettings(WithDatabase, WithObjectStore, WithBus):
    """What is to be reached."""

    nats_given: Internal[str] = Field(default="", validation_alias="VARCO_NATS_URL", description="Whether it is set.")


async def check_connections(settings: ConnectionSettings) -> AsyncIterator[CheckFinding]:
    """Yields a finding for each of the three that doesn't answer, or refuses."""
    if settings.nats_given and (found := await _bus(settings)):
        yield found
    if settings.database_url and (found := await _database(settings)):
        yield found
    if settings.s3_endpoint and (found := await _objects(settings)):
        yield found


async def _bus(settings: ConnectionSettings) -> CheckFinding | None:
    from varco_common.bus.login_check import check_login  # noqa: PLC0415 - slow, and only this check needs it

    try:
        async with asyncio.timeout(SECONDS):
            await check_login(settings.bus)
    except BrokenSetting as broken:
        return of_broken("bus", broken)
    except (TransientError, OSError, TimeoutError) as error:
        return CheckFinding(where="bus", what=f"VARCO_NATS_URL={settings.nats_url}: {_words(error)}", write=_AWAY)
    return None


async def _database(settings: ConnectionSettings) -> CheckFinding | None:
    from varco_common.storage import database  # noqa: PLC0415 - as above

    url = settings.database_of("check")
    if url.startswith("sqlite"):
        return None
    try:
        async with asyncio.timeout(SECONDS):
            await database.log_in(url)
    except BrokenSetting as broken:
        return of_broken("database", broken)
    except (TransientError, TimeoutError) as error:
        return CheckFinding(where="database", what=f"VARCO_DATABASE_URL: {_words(error)}", write=_AWAY)
    return None


async def _objects(settings: ConnectionSettings) -> CheckFinding | None:
    from varco_common.storage.object_store import BODIES  # noqa: PLC0415 - as above
    from varco_common.storage.s3_connection import S3Connection  # noqa: PLC0415

    store = S3Connection(settings.object_store, BODIES)
    try:
        async with asyncio.timeout(SECONDS):
            await store.run(lambda: store.client.bucket_exists(BODIES))
    except (TransientError, OSError, TimeoutError) as error:
        what = f"VARCO_S3_ENDPOINT={settings.s3_endpoint}: {_words(error)}"
        return CheckFinding(where="object store", what=what, write=_KEYS)
    finally:
        await store.close()
    return None


def _words(error: BaseException) -> str:
    return " ".join(((isinstance(error, OSError) and error.strerror) or str(error) or "no answer in time").split())
