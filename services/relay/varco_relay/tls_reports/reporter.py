"""Sends each domain that asks for it a report of the day before, once, after midnight UTC."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from varco_common.base import log
from varco_common.base.errors import ConflictError, TransientError
from varco_common.base.ids import new_id
from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus
from varco_common.dns import Found, Resolver, Unknown
from varco_common.events import TlsReportSent
from varco_common.events.domain_table import AccountDomains
from varco_common.mail.delivery_options import Notify, RecipientOptions
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import BodyReference, MailAccepted
from varco_common.mime import Manifest
from varco_common.storage.database import DATABASE_ERRORS
from varco_relay.tls_reports.destinations import destinations, mailbox
from varco_relay.tls_reports.report import TlsReport, as_json, as_mail
from varco_relay.tls_reports.results import TlsResults

CHECK_SECONDS = 60.0  # a crash loses the counts of that long
LONGEST_DELAY = timedelta(hours=4)  # RFC 8460 4.1: not all senders at midnight
KEPT = timedelta(days=2)  # then a report that can't be delivered is dropped (RFC 8460 5.5: after a day)
_log = log.get(__name__)

Upload = Callable[[str, bytes], Awaitable[None]]
"""Sends a report to a URL. Raises TransientError."""


class ReportSender(NamedTuple):
    """The `address` that reports come from, the domains of `accounts`, and how to `upload`."""

    address: str
    accounts: Callable[[], Iterable[tuple[str, AccountDomains]]]
    upload: Upload

    def account(self) -> str:
        """The account whose DKIM key signs mail from the address; empty if there is none."""
        domain = self.address.rpartition("@")[2]
        return next((account for account, state in self.accounts() if state.signing(domain)), "")


class TlsReporter:
    """`now` is the clock, UTC."""

    def __init__(
        self, bus: Bus, resolver: Resolver, results: TlsResults, sender: ReportSender, now: Callable[[], datetime]
    ) -> None:
        self._bus, self._resolver, self._results = bus, resolver, results
        self._sender, self._now = sender, now

    async def run(self) -> None:
        """Runs until it is cancelled; then the counts are kept."""
        try:
            while True:
                await self._results.save()
                with suppress(*DATABASE_ERRORS):
                    await self._report_all()
                await asyncio.sleep(CHECK_SECONDS)
        finally:
            await self._results.save()

    async def _report_all(self) -> None:
        for day, domain in await self._results.ended():
            if self._now() < _due(day, domain):
                continue
            try:
                await self._report(day, domain)
            except TransientError as error:
                if self._now() < _due(day, domain) + KEPT:
                    _log.warning("a TLS report waits", domain=domain, day=day.isoformat(), error=str(error))
                    continue
                _log.warning("a TLS report is dropped", domain=domain, day=day.isoformat(), error=str(error))
            await self._results.forget(day, domain)

    async def _report(self, day: date, domain: str) -> None:
        """Raises TransientError while it can't be delivered everywhere."""
        answer = await self._resolver.txt(f"_smtp._tls.{domain}")
        if isinstance(answer, Unknown):
            raise TransientError(answer.reason)
        wanted = destinations(answer.records) if isinstance(answer, Found) else ()
        if not wanted:
            return
        report = TlsReport(domain, day, self._sender.address, await self._results.of(day, domain))
        failed: TransientError | None = None
        for uri in wanted:
            try:
                await self._send(report, uri)
            except TransientError as error:
                failed = error
        if failed:
            raise failed

    async def _send(self, report: TlsReport, uri: str) -> None:
        """Once: the event says that it was sent. Raises TransientError."""
        recipient = mailbox(uri)
        event = TlsReportSent(
            at=self._now(),
            domain=report.domain,
            day=report.day,
            to=uri,
            report=report.report_id,
            mail=new_id() if recipient else "",
            successes=report.successes,
            failures=report.failures,
        )
        if await self._bus.events.last_sequence(event.subject):
            return
        if not recipient:
            await self._sender.upload(uri, as_json(report))
            await self._append(event)
        elif not (account := self._sender.account()):
            raise TransientError(f"no account has an active DKIM key for {self._sender.address}")  # RFC 8460 3
        elif await self._append(event):  # before the mail: a crash in between costs a report, and sends none twice
            body = as_mail(report, event.mail, recipient, event.at)
            record = _record(event, account, self._sender.address, recipient, len(body))
            await retry_until_available(
                lambda: self._bus.mail.append("dsn", record, body), "a TLS report waits", mail=event.mail
            )

    async def _append(self, event: TlsReportSent) -> bool:
        """False if another process was first."""
        try:
            await self._bus.events.append(event, expect=0)
        except ConflictError:
            return False
        return True


def _due(day: date, domain: str) -> datetime:
    """Some hours after the end of the day: others are spread over them."""
    share = int.from_bytes(hashlib.sha256(domain.encode()).digest()[:4]) / 2**32
    return datetime.combine(day + timedelta(days=1), time(), UTC) + LONGEST_DELAY * share


def _record(event: TlsReportSent, account: str, sender: str, recipient: str, size: int) -> MailAccepted:
    envelope = Envelope(
        id=event.mail,
        account=account,
        sender=sender,
        recipients=(recipient,),
        host="",
        received_at=event.at,
        size=size,
        listener="internal",
        any_tls=True,
        options=(RecipientOptions(recipient=recipient, notify=(Notify.NEVER,)),),
    )
    return MailAccepted(envelope=envelope, manifest=Manifest(), votes=(), body=BodyReference(size=size))
