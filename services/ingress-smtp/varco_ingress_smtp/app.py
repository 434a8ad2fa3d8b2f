"""ingress-smtp, the front door: SMTP sessions, TLS, manifests, the verdict. This file only wires."""

import asyncio
from contextlib import AsyncExitStack, suppress

from varco_common.base import subjects
from varco_common.base.tasks import retry_until_available, run_in_background
from varco_common.bus import Bus
from varco_common.events.ban_table import ENFORCED, ENFORCER_STATUS
from varco_common.mail.grants import LOGIN, NETWORK
from varco_common.runtime import service
from varco_common.runtime.ban_enforcement import BanEnforcement
from varco_common.runtime.http_server import HttpServer
from varco_common.runtime.login_throttle import GUARDED
from varco_common.runtime.service import Service
from varco_common.runtime.tls import Certificates
from varco_common.storage.object_store import ObjectStore
from varco_ingress_smtp import api, metrics
from varco_ingress_smtp.authentication import POLICY_EVENTS, Authenticator
from varco_ingress_smtp.blob_sweeper import delete_expired_bodies
from varco_ingress_smtp.next_hop_capabilities import ROUTE_EVENTS, NextHopCapabilities
from varco_ingress_smtp.pipeline import MailPipeline
from varco_ingress_smtp.recorder import Recorder
from varco_ingress_smtp.settings import Settings
from varco_ingress_smtp.smtp.admission import Admission
from varco_ingress_smtp.smtp.listener import bind, listening
from varco_ingress_smtp.worker_processes import WorkerProcesses

NAME = "ingress-smtp"
_DRAIN_SHARE = 0.8  # of the time that the process gets; the rest is for closing the bus and the HTTP side


async def serve(settings: Settings) -> None:
    """Runs until it is cancelled; then no new mail begins, and those under way come to their end."""
    certificates = Certificates(settings.home / "tls", settings.certificates, settings.hostname)
    siblings = WorkerProcesses(settings.processes - 1, settings.bind)
    sockets = bind(settings, shared=settings.processes > 1 or settings.port_reuse)
    async with AsyncExitStack() as stack:
        shell = await stack.enter_async_context(HttpServer.open(settings, NAME))
        bus = await stack.enter_async_context(Bus.connect(settings.bus, NAME))
        blobs = ObjectStore(settings.object_store)
        stack.push_async_callback(blobs.close)
        routes = NextHopCapabilities()
        admission = build(settings, bus, blobs, routes, certificates)
        shell.include(api.router(admission, siblings))
        enforcing = BanEnforcement(
            bus, admission.bans.table, NAME, "closes at accept", on_event=admission.bans.heard, also=(GUARDED,)
        )
        async with run_in_background(
            routes.follow(bus),
            retry_until_available(blobs.ensure),
            delete_expired_bodies(blobs, settings.mail_kept),
            siblings.run(),
            enforcing.run(),
        ):
            try:
                await enforcing.caught_up.wait()
                async with listening(admission, sockets):
                    await shell.serve(bus)
            finally:
                siblings.end()
                await drain(admission, settings.drain.total_seconds() * _DRAIN_SHARE)


def build(
    settings: Settings, bus: Bus, blobs: ObjectStore, routes: NextHopCapabilities, certificates: Certificates
) -> Admission:
    """One process's door, with the gate behind it."""
    recorder = Recorder(bus, blobs, settings.hostname)
    authenticator = Authenticator(bus.requests, settings.remember.total_seconds(), settings.remember_networks)
    bus.events.listen(POLICY_EVENTS, callback=authenticator.heard)
    bus.on_reconnect(authenticator.forget)
    metrics.GRANTS.set_function(lambda: len(authenticator))
    pipeline = MailPipeline(settings, bus, recorder, authenticator, routes)
    return Admission(settings, pipeline, recorder, authenticator, certificates)


async def drain(admission: Admission, seconds: float) -> None:
    """421 to idle sessions; the others after their mail, at the latest after so many seconds."""
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
    publishes=("ballot.*", LOGIN, NETWORK, subjects.event(NAME, "*", "*"), "mail.accepted.*", "mail.convert.*"),
    subscribes=(POLICY_EVENTS, *ROUTE_EVENTS, *ENFORCED, GUARDED, ENFORCER_STATUS),
)


def main() -> None:
    service.run(SERVICE)
