"""ingress-smtp, the front door: SMTP sessions, TLS, manifests, the verdict.

This file only wires.
"""

import asyncio
from contextlib import AsyncExitStack, suppress
from functools import partial

from varco_common.base import log, subjects
from varco_common.base.tasks import retry_until_available, run_in_background
from varco_common.base.units import format_size
from varco_common.bus import Bus
from varco_common.events.ban_table import ENFORCED, ENFORCER_STATUS, BanTable
from varco_common.events.stop_table import STOPPED
from varco_common.mail.grants import LOGIN, NETWORK
from varco_common.runtime import service
from varco_common.runtime.ban_enforcement import BanEnforcement
from varco_common.runtime.default_gateway import default_gateways
from varco_common.runtime.freed_memory import keep_freed_memory
from varco_common.runtime.http_server import HttpServer
from varco_common.runtime.login_throttle import GUARDED
from varco_common.runtime.readiness import degrades
from varco_common.runtime.repeated_guesses import GUESS_KEY
from varco_common.runtime.service import Service
from varco_common.runtime.tls import Certificates
from varco_common.storage.object_store import ObjectStore, open_store
from varco_ingress_smtp import api, metrics
from varco_ingress_smtp.authentication import POLICY_EVENTS, Authenticator
from varco_ingress_smtp.blob_sweeper import delete_expired_bodies
from varco_ingress_smtp.gateways import state_gateways
from varco_ingress_smtp.next_hop_capabilities import ROUTE_EVENTS, NextHopCapabilities
from varco_ingress_smtp.pipeline import MailPipeline
from varco_ingress_smtp.recorder import Recorder
from varco_ingress_smtp.settings import Settings
from varco_ingress_smtp.smtp.admission import Admission
from varco_ingress_smtp.smtp.listener import bind, listening
from varco_ingress_smtp.worker_supervisor import WorkerProcesses

_log = log.get(__name__)
NAME = "ingress-smtp"
_DRAIN_SHARE = 0.8  # of the time that the process has to end; the rest is for closing the bus and the HTTP server


async def serve(settings: Settings) -> None:
    """Runs until cancelled. Then no new mail begins, and those under way are finished."""
    keep_freed_memory()
    if not settings.has_public_name:
        _log.warning(
            "other servers can't know the host name that each mail gets: set VARCO_HOSTNAME", name=settings.hostname
        )
    certificates = Certificates(settings.home / "tls", settings.certificates, settings.hostname)
    workers = WorkerProcesses(settings.processes - 1, settings.bind, settings.drain.total_seconds())
    sockets = bind(settings, shared=settings.processes > 1 or settings.port_reuse)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(HttpServer.open(settings, NAME))
        bus = await stack.enter_async_context(Bus.connect(settings.bus, NAME))
        bodies = open_store(settings.object_store)
        stack.push_async_callback(bodies.close)
        next_hops = NextHopCapabilities()
        admission = build(settings, bus, bodies, next_hops, certificates)
        http.include(api.router(admission, workers))
        bans = admission.bans
        enforcement = BanEnforcement(
            bus, bans.table, NAME, "closes at accept", on_event=bans.on_event, also=(GUARDED, *STOPPED)
        )
        async with run_in_background(
            next_hops.follow(bus),
            retry_until_available(bodies.ensure),
            delete_expired_bodies(bodies, settings.mail_kept),
            workers.run(),
            enforcement.run(),
            admission.guesses.follow(bus),
        ):
            try:
                await enforcement.caught_up.wait()
                await retry_until_available(partial(state_gateways, bus, default_gateways()))
                async with listening(admission, sockets):
                    large = f"mail over {format_size(admission.recorder.inline_bytes)} is answered 451"
                    objects = degrades(bodies.check, large)
                    await http.serve(bus, objects=objects, certificates=certificates.check)
            finally:
                workers.end()
                await drain(admission, settings.drain.total_seconds() * _DRAIN_SHARE)


def build(
    settings: Settings, bus: Bus, bodies: ObjectStore, next_hops: NextHopCapabilities, certificates: Certificates
) -> Admission:
    """Everything that a connection of this process needs."""
    recorder = Recorder(bus, bodies, settings.hostname, settings.inline or bodies.inline_bytes)
    authenticator = Authenticator(bus.requests)
    bus.events.listen(POLICY_EVENTS, callback=authenticator.on_policy_event)
    bus.on_reconnect(authenticator.on_reconnect)
    table = BanTable(settings.never_banned)
    pipeline = MailPipeline(settings, bus, recorder, authenticator, next_hops, table=table)
    admission = Admission(settings, pipeline, recorder, authenticator, certificates, table=table)
    metrics.GRANTS.set_function(lambda: len(authenticator))
    metrics.CONNECTIONS.set_function(lambda: len(admission.connections))
    return admission


async def drain(admission: Admission, seconds: float) -> None:
    """421 to idle sessions, to others after their mail, and to all after `seconds`."""
    admission.drain()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await admission.empty.wait()
            await admission.recorder.flush()
    admission.close()


SERVICE = Service(
    name=NAME,
    role=("front door",),
    settings=Settings,
    serve=serve,
    publishes=(
        "ballot.*",
        LOGIN,
        NETWORK,
        subjects.event(NAME, "*", "*"),
        "mail.accepted.*",
        "mail.convert.*",
        GUESS_KEY,
    ),
    subscribes=(subjects.passing(POLICY_EVENTS), *ROUTE_EVENTS, *ENFORCED, GUARDED, *STOPPED, ENFORCER_STATUS),
)


def main() -> None:
    service.run(SERVICE)
