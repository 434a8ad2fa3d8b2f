"""Connection pools to a next hop on this machine, and mails to send over them."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta

from varco_common.base.ids import new_id
from varco_common.mail.envelope import Envelope
from varco_common.testing.next_hop import NextHop
from varco_relay.decide.retry_schedule import Backoff
from varco_relay.smtp.client import Timeouts
from varco_relay.smtp.connection_pool import ConnectionPool, PoolLimits
from varco_relay.smtp.dialer import Dialer
from varco_relay.smtp.pending_transaction import Completed, NotAttempted
from varco_relay.smtp.target import SmtpTarget
from varco_relay.smtp.transaction import Capabilities, SmtpTransaction, make_transaction

BODY = b"Subject: hello\r\n\r\nhello\r\n"
QUICK = Timeouts(connect=2, greeting=2, command=2, data=2, block=2, end=2)
RECONNECT = Backoff(first=timedelta(seconds=0.02), longest=timedelta(seconds=0.05))
NO_RECONNECT = Backoff(first=timedelta(seconds=30), longest=timedelta(seconds=30))
LIMITS = PoolLimits(connections=2, growth_delay=0.01, growth_pause=0.05, idle=5, reconnect=RECONNECT)


class Pools:
    """Makes pools, and closes them at the end."""

    def __init__(self) -> None:
        self.made: list[ConnectionPool] = []

    def to(
        self,
        hop: NextHop,
        *,
        limits: PoolLimits | None = None,
        timeouts: Timeouts = QUICK,
        trust=None,
        tokens=None,
        **target,
    ) -> ConnectionPool:
        verified = ssl.create_default_context(cafile=trust)
        dialer = Dialer(name="gate.test", timeouts=timeouts, verified=verified, tokens=tokens)
        pool = ConnectionPool(SmtpTarget(host="127.0.0.1", port=hop.port, **target), dialer, limits or LIMITS)
        self.made.append(pool)
        return pool

    async def close(self) -> None:
        for pool in self.made:
            await pool.close()


class Listener:
    """An account that records what its pool tells it."""

    def __init__(self) -> None:
        self.capabilities: list[Capabilities] = []
        self.reasons: list[str] = []
        self.down, self.back = asyncio.Event(), asyncio.Event()

    def on_capabilities(self, host: str, capabilities: Capabilities) -> None:
        self.capabilities.append(capabilities)

    def on_down(self, host: str, reason: str) -> None:
        self.reasons.append(reason)
        self.down.set()

    def on_recovered(self) -> None:
        self.back.set()


def mail(
    *recipients: str, body=BODY, sender="alice@acme.example", smtputf8=False, eight_bit=False, **more
) -> SmtpTransaction:
    recipients = recipients or ("bob@x.example",)
    envelope = Envelope(
        id=new_id(),
        account="acme",
        sender=sender,
        recipients=recipients,
        host="192.0.2.1",
        received_at=datetime.now(UTC),
        smtputf8=smtputf8,
        eight_bit=eight_bit,
        **more,
    )
    return make_transaction(envelope, recipients, body, len(body) if isinstance(body, bytes) else 0)


async def lines(pool: ConnectionPool, transaction: SmtpTransaction) -> dict[str, str]:
    """The reply for each recipient."""
    result = await pool.send(transaction)
    assert isinstance(result, Completed)
    return {recipient: reply.line for recipient, reply in result.replies.items()}


async def codes(pool: ConnectionPool, transaction: SmtpTransaction) -> dict[str, int]:
    result = await pool.send(transaction)
    assert isinstance(result, Completed)
    return {recipient: reply.code for recipient, reply in result.replies.items()}


async def down_reason(pool: ConnectionPool) -> str:
    """Why the next hop is down, when a mail is sent to it."""
    result = await pool.send(mail())
    assert isinstance(result, NotAttempted)
    return result.reason
