"""archive, a worker: a blind copy of all mail, in a POP3 mailbox or forwarded. This file only wires."""

from contextlib import AsyncExitStack
from datetime import timedelta

from varco_archive import api
from varco_archive.account import FILTERS
from varco_archive.accounts import NAME, Accounts
from varco_archive.bodies import Bodies
from varco_archive.collector import FILTERS as RECORDS
from varco_archive.collector import FORWARDED, Collector
from varco_archive.desk import Desk
from varco_archive.drops import Drops
from varco_archive.forwarder import FATES, Forwarder
from varco_archive.index import Index
from varco_archive.keeper import Keeper
from varco_archive.passwords import Passwords
from varco_archive.pop3.server import Server
from varco_archive.removals import Removals
from varco_archive.settings import Settings
from varco_archive.sweeper import Sweeper
from varco_common import db, keeping, subjects
from varco_common.bans import ENFORCED, ROLL_CALL, BanTable
from varco_common.blobs import Blobs
from varco_common.bus import Bus
from varco_common.enforcing import Enforcing
from varco_common.http import Shell
from varco_common.rebuild import serving
from varco_common.rehearsal.serving import Rehearsals
from varco_common.service import Service, run
from varco_common.tasks import beside
from varco_common.tls import Certificates


async def serve(settings: Settings) -> None:
    """Until cancelled; sessions then end, and remove nothing that QUIT didn't."""
    certificates = Certificates(
        settings.home / "tls", settings.certificates, settings.hostname, variable="VARCO_ARCHIVE_CERTIFICATES"
    )
    async with AsyncExitStack() as stack:
        shell = await stack.enter_async_context(Shell.open(settings, NAME))
        bus = await stack.enter_async_context(Bus.connect(settings.bus, NAME))
        engine = await stack.enter_async_context(db.connect(settings.database_of(NAME), NAME))
        passwords = await stack.enter_async_context(Passwords.open(settings.argon2_memory_kib))
        await db.migrate(engine, "varco_archive")
        blobs = Blobs(settings.blobs)
        stack.push_async_callback(blobs.close)
        accounts = await stack.enter_async_context(Accounts.open(bus, engine))
        longest = timedelta(days=settings.mail_days)
        index, bodies, drops = Index(engine), Bodies(bus, blobs), Drops()
        removals = Removals(bus, index)
        sweeper = Sweeper(index, removals, drops, accounts.get, longest)
        collector = Collector(
            bus,
            index,
            accounts.get,
            batch=settings.batch,
            max_bytes=settings.batch_bytes,
            ack_wait=settings.ack_wait,
        )
        forwarder = Forwarder(
            bus,
            index,
            bodies,
            collector,
            state=accounts.get,
            return_path=settings.return_path,
            reporter=settings.hostname,
        )
        server = Server(
            settings,
            bus,
            index,
            bodies,
            passwords=passwords,
            removals=removals,
            sweeper=sweeper,
            drops=drops,
            bans=(bans := BanTable()),
            state=accounts.get,
            by_login=accounts.by_login,
            certificates=certificates,
        )
        desk = Desk(
            bus,
            accounts,
            index,
            bodies,
            passwords=passwords,
            drops=drops,
            removals=removals,
            sweeper=sweeper,
            longest=longest,
        )
        shell.include(serving.router(NAME, "varco_archive.rebuild", settings))
        shell.include(api.router(desk))
        await removals.catch_up()
        await Keeper(bus, index).serve(NAME)
        enforcing = Enforcing(bus, bans, NAME, "closes at accept", heard=server.heard)
        work = (collector.run(), forwarder.run(), forwarder.hear(), sweeper.run(settings.sweep), enforcing.run())
        async with beside(*work):
            await enforcing.caught_up.wait()
            async with server.listening(), Rehearsals.answering(bus, NAME, "varco_archive.rehearse", settings):
                await shell.serve(bus, accounts=accounts.check)


SERVICE = Service(
    name=NAME,
    role=("worker",),
    settings=Settings,
    serve=serve,
    publishes=("events.archive.>", "mail.copy.*", subjects.rehearsal("*")),
    subscribes=(
        keeping.subject(NAME),
        *FILTERS,
        subjects.event(NAME, "copy-removed", "*"),
        FORWARDED,
        *FATES,
        *RECORDS,
        *ENFORCED,
        ROLL_CALL,
        subjects.rehearse(NAME),
    ),
)


def main() -> None:
    """The script `varco-archive`."""
    run(SERVICE)
