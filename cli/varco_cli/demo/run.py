"""Runs the demo: starts a stack and a next hop, sends the rows, and builds the table."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from varco_cli import output
from varco_cli.demo.demo_gate import ACME, ARCHIVE, CLOUD, HEAVY, LIST, QUOTAS, STUDIO, DemoGate, DemoRow, SmtpAnswer
from varco_cli.demo.rows import ROWS
from varco_cli.demo.rows.routes import partner_route
from varco_cli.failures import CommandFailure
from varco_cli.stack import Ports, Stack, bus
from varco_common.bus import Bus
from varco_common.events import AttachmentLinked, MailDelivered
from varco_common.testing.next_hop import NextHop, next_hop
from varco_common.testing.token_endpoint import TokenEndpoint, token_endpoint

FACTS = (MailDelivered.subject_filter(), AttachmentLinked.subject_filter())
TIMEOUT_SECONDS = 20.0
LINKED = " is at "
PLAIN = {"VARCO_RELAY_PLAIN_OAUTH": "true"}  # the demo's token endpoint and its next hop are on this host


class DemoOutcome(NamedTuple):
    """A row, its answer, and the destination of its mail."""

    row: DemoRow
    answer: SmtpAnswer
    went: str

    @property
    def as_expected(self) -> bool:
        return f"{self.answer.code} {self.answer.text}".startswith(self.row.expect)


class DemoReport(NamedTuple):
    """What the demo shows: each outcome, and from audit the story of a mail and the balance."""

    outcomes: list[DemoOutcome]
    story: dict[str, Any]
    balance: dict[str, Any]


Linger = Callable[[Stack, DemoReport], Awaitable[None]]


async def _end_at_once(_stack: Stack, _report: DemoReport) -> None: ...


async def run(linger: Linger = _end_at_once) -> DemoReport:
    """Runs the demo and waits for the deliveries. Leaves nothing behind.

    The gate is up until `linger` returns.
    """
    with tempfile.TemporaryDirectory(prefix="varco-demo-") as home:
        async with (
            next_hop() as hop,
            token_endpoint() as provider,
            next_hop(auth=("XOAUTH2",), takes_token=provider.takes) as token_hop,
            Stack(Path(home) / "var", ports=Ports.free(), extra_environment=PLAIN, on_progress=output.step) as stack,
        ):
            await _open_accounts(stack, hop)
            await _open_cloud(stack, token_hop, provider)
            output.step(f"sending {len(ROWS)} mails")
            answers = [await asyncio.to_thread(row.send, _demo_gate(stack)) for row in ROWS]
            went = await _deliveries(stack, {outcome.decision: outcome.taken for outcome in answers if outcome.taken})
            outcomes = [
                DemoOutcome(row, answer, went[answer.decision] if answer.taken else "nowhere")
                for row, answer in zip(ROWS, answers, strict=True)
            ]
            report = DemoReport(outcomes, await _story(stack, _most_interesting(outcomes)), await _balance(stack))
            await linger(stack, report)
            return report


def print_outcomes(outcomes: list[DemoOutcome]) -> None:
    """Prints a table with a row for each mail."""
    rows = []
    for outcome in outcomes:
        style = "red" if not outcome.as_expected else "green" if outcome.answer.code == 250 else "yellow"
        answer = output.Styled(f"{outcome.answer.code} {outcome.answer.text}", style)
        rows.append((outcome.row.title, answer, outcome.answer.decision, outcome.went))
    output.table(("mail", "the gate's answer", "decision", "went to"), rows)


def check(outcomes: list[DemoOutcome]) -> None:
    """Raises CommandFailure where an answer is not the expected one."""
    wrong = [f"{outcome.row.title}: expected {outcome.row.expect}" for outcome in outcomes if not outcome.as_expected]
    if wrong:
        raise CommandFailure("\n".join(wrong))


async def _open_accounts(stack: Stack, hop: NextHop) -> None:
    acme_route = {"smarthost": f"127.0.0.1:{hop.port}", "tls": "none"}
    async with stack.client("ratelimit") as ratelimit:
        (await ratelimit.put("/accounts/acme/quotas", json=QUOTAS)).raise_for_status()
    async with stack.client("archive") as archive:
        (await archive.put("/accounts/acme/archive", json=ARCHIVE)).raise_for_status()
    async with stack.client("policy") as policy, stack.client("relay") as relay:
        for account, document, route in (
            ("acme", ACME, acme_route),
            ("list", LIST, "blackhole"),
            ("studio", STUDIO, acme_route),
        ):
            (await policy.put(f"/accounts/{account}", json=document)).raise_for_status()
            (await relay.put(f"/accounts/{account}/route", json=route)).raise_for_status()
        (await relay.put("/accounts/acme/routes", json=[partner_route(hop)])).raise_for_status()
    async with stack.client("filelink") as filelink:
        (await filelink.put("/accounts/studio/filelink", json={"over": HEAVY})).raise_for_status()


async def _open_cloud(stack: Stack, hop: NextHop, provider: TokenEndpoint) -> None:
    """An account whose next hop takes tokens alone, as Microsoft 365 does."""
    oauth = {
        "provider": "generic",
        "client_id": "gate",
        "client_secret": provider.clients["gate"],
        "token_url": provider.url,
    }
    route = {"smarthost": f"127.0.0.1:{hop.port}", "tls": "none", "login": "gate@cloud.example", "oauth": oauth}
    async with stack.client("policy") as policy, stack.client("relay") as relay:
        (await policy.put("/accounts/cloud", json=CLOUD)).raise_for_status()
        (await relay.put("/accounts/cloud/route", json=route)).raise_for_status()


async def _deliveries(stack: Stack, taken: dict[str, int]) -> dict[str, str]:
    """Returns the destination of each mail by its id. `taken` has its number of recipients."""
    waits, went = dict(taken), dict.fromkeys(taken, "still waits")
    linked: set[str] = set()
    settings = bus.operator(stack.home, stack.settings.inner, stack.ports.nats)
    async with (
        Bus.connect(settings, "demo") as connected,
        stack.client("filelink") as filelink,
        aclosing(connected.events.follow(*FACTS)) as events,
    ):
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while any(waits.values()):
                    event = (await anext(events)).event
                    if isinstance(event, MailDelivered) and event.mail in waits:
                        waits[event.mail] -= len(event.recipients)
                        went[event.mail] = _place(event, taken[event.mail] - waits[event.mail])
                        if event.mail in linked:
                            went[event.mail] += await _links_of(filelink, event.mail)
                    elif isinstance(event, AttachmentLinked):
                        linked.add(event.mail)
        except TimeoutError:
            output.step("not all mails were delivered in time")
    return went


async def _links_of(filelink: httpx.AsyncClient, mail: str) -> str:
    """Returns where the files of the mail are."""
    answer = (await filelink.get("/links", params={"mail": mail})).raise_for_status()
    return "".join(f"; {link['name']}{LINKED}{link['url']}" for link in answer.json()["links"])


def _most_interesting(outcomes: list[DemoOutcome]) -> str:
    """Returns the mail whose attachment became a link, or else the last accepted one."""
    taken = [outcome for outcome in outcomes if outcome.answer.taken]
    return max(taken, key=lambda outcome: LINKED in outcome.went).answer.decision


async def _story(stack: Stack, mail: str) -> dict[str, Any]:
    """Returns the story of a mail once audit has the delivery. Raises CommandFailure."""
    async with stack.client("audit") as audit:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while True:
                    answer = await audit.get(f"/traces/{mail}")
                    story: dict[str, Any] = answer.json().get("story") or {} if answer.is_success else {}
                    if story.get("ballot") and any(fate["state"] == "delivered" for fate in story["fates"]):
                        return story
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise CommandFailure(f"audit has no delivery of mail {mail} yet: run the demo again") from None


async def _balance(stack: Stack) -> dict[str, Any]:
    """Returns the balance once nothing is in flight, or at the end of the time."""
    async with stack.client("audit") as audit:
        end = asyncio.get_running_loop().time() + TIMEOUT_SECONDS
        while True:
            answer = await audit.get("/balance")
            balance: dict[str, Any] = answer.json() if answer.is_success else {"lines": [], "unaccounted": []}
            waits = not balance["lines"] or any(line["in_flight"] for line in balance["lines"])
            if not waits or asyncio.get_running_loop().time() > end:
                return balance
            await asyncio.sleep(0.1)


def _place(event: MailDelivered, count: int) -> str:
    where = "the black hole" if event.host == "blackhole" else f"the next hop, {event.host}"
    why = f"; {event.route}" if event.route else ""
    return f"{where} ({count} recipient{'s' if count > 1 else ''}){why}"


def _demo_gate(stack: Stack) -> DemoGate:
    return DemoGate(
        stack.settings.bind, stack.ports.submission, stack.ports.smtp, stack.ports.pop3s, stack.home.certificate
    )
