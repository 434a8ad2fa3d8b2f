"""archive, a worker: copies all mail of an account into a POP3 mailbox, or forwards it.

This file only wires.
"""

from contextlib import AsyncExitStack
from datetime import timedelta

from varco_archive import api, bounce_listener, mail_retention
from varco_archive.account_senders import SENDERS
from varco_archive.accounts import NAME, ArchiveAccounts
from varco_archive.bounce_listener import RELAY_FAILURES
from varco_archive.collections import MAILBOX_COLLECTED, Collections
from varco_archive.copy_deletion import COPY_REMOVED, CopyDeletion
from varco_archive.copy_index import CopyIndex
from varco_archive.copy_indexer import COPY_FORWARDED, CopyIndexer
from varco_archive.copy_indexer import FILTERS as MAIL_FILTERS
from varco_archive.copy_reader import CopyReader
from varco_archive.copy_service import CopyService
from varco_archive.forwarder import Forwarder
from varco_archive.mailboxes import Mailboxes
from varco_archive.maildrop_locks import MaildropLocks
from varco_archive.model import FILTERS
from varco_archive.pop3.server import Pop3Server
from varco_archive.pop3.session import SessionContext
from varco_archive.retention_sweeper import RetentionSweeper
from varco_archive.settings import Settings
from varco_common.base import subjects
from varco_common.base.tasks import run_in_background
from varco_common.bus.background_appends import BackgroundAppends
from varco_common.events import MailRecorded
from varco_common.events.ban_table import ENFORCED, ENFORCER_STATUS, BanTable
from varco_common.eventsourcing.projection import Projection
from varco_common.runtime.ban_enforcement import BanEnforcement
from varco_common.runtime.login_throttle import GUARDED, LoginThrottle
from varco_common.runtime.parts import open_parts
from varco_common.runtime.passwords import Argon2, PasswordVerifier
from varco_common.runtime.readiness import degrades
from varco_common.runtime.repeated_guesses import GUESS_KEY, GuessDigest
from varco_common.runtime.service import Service, run
from varco_common.runtime.tls import Certificates
from varco_common.storage import retention
from varco_common.storage.object_store import open_store

ARGON2_MEMORY_KIB = 65_536  # RFC 9106 4, the second recommended choice
HASH_THREADS, MAX_HASHES = 2, 24  # passwords hashed at once, and waiting for it: 128 MiB at most
GUESS_SECONDS, MAX_GUESSES_WAITING = 1.0, 10  # at a guarded mailbox, for each unknown host


async def serve(settings: Settings) -> None:
    """Runs until cancelled. POP3 sessions then end, and remove nothing that QUIT did not remove."""
    certificates = Certificates(settings.home / "tls", settings.certificates, settings.hostname)
    max_keep = timedelta(days=settings.mail_days)
    async with AsyncExitStack() as stack:
        parts = open_parts(settings, NAME, replay="varco_archive.past_settings")
        http, bus, engine = await stack.enter_async_context(parts)
        argon2 = Argon2(ARGON2_MEMORY_KIB)
        passwords = await stack.enter_async_context(PasswordVerifier.open(argon2, HASH_THREADS, MAX_HASHES))
        objects = open_store(settings.object_store)
        stack.push_async_callback(objects.close)
        accounts = await stack.enter_async_context(ArchiveAccounts.open(bus, engine))
        senders = await stack.enter_async_context(Projection(SENDERS, bus, engine, NAME).following())
        index, locks, bodies = CopyIndex(engine), MaildropLocks(), CopyReader(bus, objects)
        deletion = CopyDeletion(bus, index)
        sweeper = RetentionSweeper(index, deletion, locks, accounts.get, max_keep)
        indexer = CopyIndexer(bus, index, accounts.get)
        forwarder = Forwarder(
            bus,
            index,
            bodies,
            indexer,
            settings_of=accounts.get,
            return_path=settings.return_path,
            reporter=settings.hostname,
        )
        appends, guesses = BackgroundAppends(bus.events), GuessDigest()
        stack.push_async_callback(appends.flush)
        collections = Collections(bus, index, appends.append)
        mailboxes = Mailboxes(
            accounts=accounts,
            index=index,
            bodies=bodies,
            deletion=deletion,
            sweeper=sweeper,
            locks=locks,
            collections=collections,
            passwords=passwords,
        )
        context = SessionContext(
            mailboxes=mailboxes,
            throttle=LoginThrottle(GUESS_SECONDS, MAX_GUESSES_WAITING),
            guesses=guesses,
            certificates=certificates,
            report=appends.append,
        )
        server = Pop3Server(settings, context, BanTable(settings.never_banned))
        copies = CopyService(bus=bus, mailboxes=mailboxes, senders=senders, max_keep=max_keep)
        http.include(api.router(copies))
        await collections.catch_up()
        await deletion.catch_up()
        await mail_retention.serve(bus, index, NAME)
        bans = BanEnforcement(bus, server.bans, NAME, "closes at accept", on_event=server.apply, also=(GUARDED,))
        workers = (indexer.run(), forwarder.run(), bounce_listener.listen(bus, index), sweeper.run(), bans.run())
        async with run_in_background(*workers, guesses.follow(bus)):
            await bans.caught_up.wait()
            async with server.listening():
                store = degrades(objects.check, "copies of large mail can't be fetched")
                checks = {"accounts": accounts.check, "senders": senders.check, "certificates": certificates.check}
                await http.serve(bus, **checks, objects=store)


SERVICE = Service(
    name=NAME,
    role=("worker",),
    settings=Settings,
    serve=serve,
    publishes=("events.archive.>", "mail.copy.*", GUESS_KEY, subjects.replay_frames("*")),
    subscribes=(
        retention.subject(NAME),
        *FILTERS,
        *SENDERS.filters,
        COPY_REMOVED,
        MAILBOX_COLLECTED,
        COPY_FORWARDED,
        *RELAY_FAILURES,
        MailRecorded.subject_filter(),  # a rebuilt index is made of them
        *MAIL_FILTERS,
        *ENFORCED,
        GUARDED,
        ENFORCER_STATUS,
        subjects.replay_request(NAME),
    ),
)


def main() -> None:
    """The script `varco-archive`."""
    run(SERVICE)
