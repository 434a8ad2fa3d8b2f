"""Whether the bus accepts a user and its password, for `varco check`."""

import nats
import nats.errors

from varco_common.base.errors import TransientError
from varco_common.base.settings import BrokenSetting
from varco_common.bus.bus_settings import BusSettings


async def check_login(settings: BusSettings) -> None:
    """Tries user and password. Raises BrokenSetting, or TransientError if the bus is away."""
    context = settings.context()
    try:
        connection = await nats.connect(
            [server.strip() for server in settings.url.split(",")],
            user=settings.user or None,
            password=settings.password() or None,
            tls=context,
            tls_handshake_first=context is not None,
            allow_reconnect=False,
            error_cb=_log_nothing,
        )
    except (nats.errors.Error, OSError) as error:
        if "authorization" in str(error).lower():
            expected = "the user and password that the bus has: `make secrets` writes them, then reload the bus"
            raise BrokenSetting("VARCO_NATS_USER", settings.user, expected) from None
        raise TransientError(f"the bus is away: {error or 'no server answers'}") from None
    await connection.close()


async def _log_nothing(_: Exception) -> None:
    """nats-py would write a traceback for each attempt."""
