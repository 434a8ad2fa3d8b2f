"""A replay makes the same decisions. It finds one changed byte of history."""

import asyncio
import json
import smtplib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime
from importlib import import_module

import pytest

from tests.integration.gate import Gate, mail, transact
from varco_audit.replay.output_lines import DifferenceLine, VerifyDone
from varco_audit.replay.verify import verify
from varco_cli.stack.bus import operator
from varco_common.base.ids import new_id
from varco_common.bus import Bus
from varco_common.bus.settings import WithBus
from varco_common.bus.streams import manager
from varco_common.events import MailRefused
from varco_common.eventsourcing.replay.server import ReplayServer
from varco_common.mail.ballot import Ballot
from varco_common.mail.envelope import Envelope
from varco_common.mail.replies import Reply
from varco_common.mail.verdict import verdict
from varco_common.mime import Manifest
from varco_common.testing import NatsServer, nats_server

pytestmark = pytest.mark.timeout(300)  # each rehearsal starts a process for each voter: seconds on a busy machine

VOTERS = ("policy", "ratelimit", "banguard", "filelink")
AUDIT = "varco_audit.replay.verdict_replay"
ACME = """\
account: acme
language: [it, en]
time_zone: Europe/Rome
notices: {{quota: {{it: "Basta: {{limit}} fino alle {{until}}"}}}}
users:
  - {{login: alice@acme.test, password: correct-horse}}
senders: ["@acme.test", "sales@partner.test"]
networks: ["127.0.0.1/32", "127.0.0.2/32"]
route: blackhole
rules:
  max_size: 400kB
  max_recipients: 3
  attachments: {{allow: [{allow}]}}
quotas:
  messages: {{limit: {limit}, per: 1 day}}
  recipients: {{limit: 40, per: calendar day}}
  account: {{messages: 60}}
  time_zone: Europe/Rome
filelink: {{over: 100kB}}
"""
ATTACHED = (
    "--b\r\nContent-Type: text/plain\r\n\r\nsee there\r\n--b\r\nContent-Type: application/octet-stream\r\n"
    'Content-Disposition: attachment; filename="{name}"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n{content}\r\n--b--\r\n'
)


def attached(name: str, size: int = 100) -> bytes:
    line = "x" * 70 + "\r\n"
    body = ATTACHED.format(name=name, content=(line * (size // 72 + 1))[:-2])
    return mail("alice@acme.test", body, MIME_Version="1.0", Content_Type='multipart/mixed; boundary="b"')


def send(gate: Gate, sender: str, body: bytes, *recipients: str, source: str = "127.0.0.1") -> int:
    with gate.smtp(source) as client:
        return transact(client, sender, [*recipients] or ["bob@dest.test"], body)[0]


def every_kind(gate: Gate) -> list[int]:
    """Sends mails that pass, and one that is refused for each reason."""
    alice, plain = "alice@acme.test", mail("alice@acme.test")
    many = [f"r{number}@dest.test" for number in range(5)]
    return [
        send(gate, alice, plain),
        send(gate, "", mail("alice@acme.test")),
        send(gate, "eve@evil.test", plain),  # by ingress, before its body
        send(gate, alice, mail("eve@evil.test")),  # by policy
        send(gate, alice, plain, *many),  # a recipient too many
        send(gate, alice, mail(alice, "y" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 6_000)),  # too big
        send(gate, alice, attached("report.pdf.exe")),
        send(gate, alice, attached("paper.txt")),
        send(gate, alice, attached("paper.txt", 150_000)),  # becomes a link
        send(gate, alice, mail(alice, "a\nb\r\n")),  # a bare LF
    ]


def in_parallel(gate: Gate, sender: str, count: int) -> list[int]:
    with ThreadPoolExecutor(16) as pool:
        return [*pool.map(lambda _: send(gate, sender, mail(sender)), range(count))]


def ban(gate: Gate, source: str) -> None:
    """Sends wrong passwords until banguard refuses the host.

    Its event is there a moment before banguard applies it.
    """
    while not any(ban["network"] == source for ban in gate.json("bans", "list")):
        with (
            suppress(smtplib.SMTPException, OSError),
            gate.smtp(source, port=gate.ports.submission, tls=True) as client,
        ):
            client.login("alice@acme.test", "wrong")


async def late(gate: Gate, source: str) -> Reply:
    """Casts the votes on a mail whose host is banned between its connection and its end.

    Ingress would close the connection, so the test acts as ingress.
    """
    envelope = Envelope(
        id=new_id(),
        account="acme",
        sender="alice@acme.test",
        recipients=("bob@dest.test",),
        host=source,
        received_at=datetime.now(UTC),
        size=100,
    )
    ballot = Ballot(envelope=envelope, manifest=Manifest(authors=("alice@acme.test",)))
    async with Bus.connect(operator(gate.home, "127.0.0.1", gate.ports.nats), "operator") as bus:
        votes = tuple(await bus.voting.collect(ballot, VOTERS, 5))
        reply = verdict(votes, VOTERS).reply
        await bus.events.append(MailRefused(at=datetime.now(UTC), ballot=ballot, votes=votes, reply=reply, answer=""))
    return reply


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gate, str]]:
    """Yields a gate with traffic in its past, and when that began."""
    gate = Gate(tmp_path_factory.mktemp("past") / "home")
    gate.start()
    try:
        began = datetime.now(UTC).isoformat()
        gate.apply(ACME.format(allow="pdf, txt", limit=20))
        first = every_kind(gate)
        assert {*first} >= {250, 550, 452, 552, 554}, first
        busy = in_parallel(gate, "busy@acme.test", 30)
        assert busy.count(250) == 20
        assert busy.count(450) == 10
        gate.apply(ACME.format(allow="pdf", limit=25))
        assert send(gate, "alice@acme.test", attached("paper.txt")) == 554
        assert in_parallel(gate, "busy@acme.test", 10).count(250) == 5
        done = gate.varco("quota", "reset", "busy@acme.test", "--account", "acme", "--reason", "agreed")
        assert done.returncode == 0, done.stderr
        in_parallel(gate, "other@acme.test", 20)
        in_parallel(gate, "busy@acme.test", 10)
        ban(gate, "127.0.0.2")
        assert asyncio.run(late(gate, "127.0.0.2")) is Reply.HOST_BANNED
        yield gate, began
    finally:
        gate.stop()


def test_an_honest_log_comes_out_the_same(log: tuple[Gate, str]) -> None:
    gate, began = log
    found = gate.json("replay", "verify", "--since", began)
    assert found["found"] == []
    assert found["differences"] == found["unreadable"] == 0
    counts = found["counts"]
    assert {*counts} == {*VOTERS, "audit"}
    for voter in VOTERS:
        assert counts[voter]["votes"] > 75
        assert counts[voter]["votes"] + counts[voter]["early"] == counts[voter]["mails"]
        assert not counts[voter]["unclear"]


def test_one_accounts_mails_are_looked_at_alone(log: tuple[Gate, str]) -> None:
    gate, began = log
    unknown = gate.varco("replay", "verify", "--since", began, "--account", "nobody")
    assert (unknown.returncode, "no such account: nobody" in unknown.stderr) == (1, True)
    gate.apply("account: idle\n")
    found = gate.json("replay", "verify", "--since", began, "--account", "idle")
    assert all(not counts["mails"] for counts in found["counts"].values())
    assert gate.varco("replay", "verify", "--since", "yesterday").returncode == 2


def test_other_rules_are_tried_on_the_past(log: tuple[Gate, str]) -> None:
    gate, began = log
    before = gate.json("show", "acme")
    file = {
        "account": "acme",
        "senders": ["@acme.test", "eve@evil.test"],
        "rules": {"attachments": {"allow": ["exe"]}},
        "quotas": {"messages": 10},
        "route": "blackhole",
    }
    done = gate.varco("whatif", "-f", "-", "--since", began, "--list", "--json", stdin=json.dumps(file))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [move["after"] for move in found["routes"]] == ["blackhole"]
    assert found["routes"][0]["recipients"] >= 25
    rules, senders = found["rules"], found["senders"]
    assert rules["ingress-smtp: sender-not-authorised"] == {"would get past the envelope, body unknown": 1}
    assert rules["policy: sender-not-authorised"] == {"would be let through": 1}
    assert rules["policy: forbidden-attachment"] == {"would be refused": 2, "would be let through": 1}
    assert senders["busy@acme.test"]["would be refused"] == 25 - 10
    assert sum(found["outcomes"].values()) == len([line for line in found["found"] if line["line"] == "mail"])
    assert gate.json("show", "acme") == before
    shown = gate.varco("whatif", "-f", "-", "--since", began, stdin=json.dumps(file))
    assert "would be let through" in shown.stdout
    assert "~ rules attachments: pdf -> exe" in shown.stdout


def test_a_file_that_its_owner_wouldnt_take_is_refused_at_its_line(log: tuple[Gate, str]) -> None:
    gate, _ = log
    done = gate.varco("whatif", "-f", "-", "--since", "1h", stdin="account: acme\nrules:\n  max_size: huge\n")
    assert done.returncode == 2
    assert "line 3, rules.max_size" in done.stderr


def test_settings_are_shown_as_they_were(log: tuple[Gate, str]) -> None:
    gate, began = log
    now = gate.json("state", "--account", "acme", "--at", datetime.now(UTC).isoformat())
    assert now["missing"] == {}
    items = {(one["section"], one["key"]): one for one in now["items"]}
    assert items["rules", "attachments"]["value"] == {"allow": ["pdf"]}
    assert items["quotas", "messages"]["value"]["limit"] == 25
    assert items["route", "to"]["value"] == "blackhole"
    assert (items["filelink", "over"]["value"], items["filelink", "over"]["fact"]) == ("100kB", "filelink-chosen")
    assert "127.0.0.2" in {key for section, key in items if section == "bans"}
    changed = items["quotas", "messages"]
    assert (changed["fact"], changed["by"][:6]) == ("quota-set", "token:")
    before = gate.json("state", "--account", "acme", "--at", str(changed["sequence"] - 1))
    then = {(one["section"], one["key"]): one for one in before["items"]}
    assert then["quotas", "messages"]["value"]["limit"] == 20
    assert gate.varco("state", "--account", "acme", "--at", began).returncode == 2  # nothing was set then
    assert gate.varco("state", "--account", "acme", "--at", "99999999").returncode == 1


def test_services_that_share_a_process_rehearse_as_well(own_gate: Callable[..., Gate]) -> None:
    gate = own_gate(VARCO_PROCESSES="one")
    assert send(gate, "alice@acme.test", mail("alice@acme.test")) == 250
    assert send(gate, "alice@acme.test", attached("a.exe")) == 554
    found = gate.json("replay", "verify", "--since", "1h")
    assert found["differences"] == 0
    assert {voter: counts["votes"] for voter, counts in found["counts"].items()} == dict.fromkeys((*VOTERS, "audit"), 2)


# a copied store


async def copied(gate: Gate, to: NatsServer, altered: Callable[[str, bytes], bytes]) -> int:
    """Copies EVENTS into another server, and returns how many events have other bytes there."""
    changed = 0
    async with (
        Bus.connect(operator(gate.home, "127.0.0.1", gate.ports.nats), "operator") as bus,
        manager(to.settings()) as target,
    ):
        stream, last = target.jetstream(), await bus.events.last_sequence("events.>")
        async with aclosing(bus.events.follow_raw("events.>")) as events:
            async for one in events:
                payload = altered(one.subject, one.payload)
                changed += payload != one.payload
                assert (await stream.publish(one.subject, payload)).seq == one.sequence
                if one.sequence == last:
                    break
    return changed


@asynccontextmanager
async def rehearsing(server: NatsServer) -> AsyncIterator[Bus]:
    """Yields a bus on which voters and audit answer replay requests."""
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(Bus.connect(server.settings(), "audit"))
        modules = {voter: f"varco_{voter}.replay" for voter in VOTERS} | {"audit": AUDIT}
        for service, module in modules.items():
            settings: WithBus = import_module(module).SETTINGS(nats_url=server.url)
            await stack.enter_async_context(ReplayServer.answering(bus, service, module, settings))
        yield bus


def once(fact: str, old: bytes, new: bytes) -> Callable[[str, bytes], bytes]:
    """Changes one byte in the first event of this fact that contains it."""
    done = False
    assert sum(a != b for a, b in zip(old, new, strict=True)) == 1

    def altered(subject: str, payload: bytes) -> bytes:
        nonlocal done
        if done or subject.split(".")[2] != fact or old not in payload:
            return payload
        done = True
        return payload.replace(old, new, 1)

    return altered


TAMPERED = {
    "the name of an attachment": ("policy", once("mail-recorded", b"paper.txt", b"paper.txu")),
    "a rule": ("policy", once("rules-changed", b'"txt"', b'"tyt"')),
    "a quota": ("ratelimit", once("quota-set", b'"limit":20', b'"limit":21')),
    "whose quota was reset": ("ratelimit", once("quota-reset", b'"sender":"busy@', b'"sender":"bush@')),
    "a mail that counted": ("ratelimit", once("mail-recorded", b'"sender":"busy@', b'"sender":"bush@')),
    "who was banned": ("banguard", once("host-banned", b'"network":"127.0.0.2"', b'"network":"127.0.0.3"')),
    "what becomes a link": ("filelink", once("filelink-chosen", b'"over":100000', b'"over":900000')),
}


async def checked(bus: Bus, began: str) -> tuple[VerifyDone, list[DifferenceLine]]:
    lines = [line async for line in verify(bus, VOTERS, datetime.fromisoformat(began), datetime.now(UTC))]
    done = lines[-1]
    assert isinstance(done, VerifyDone), done
    return done, [line for line in lines if isinstance(line, DifferenceLine)]


@pytest.mark.parametrize("what", TAMPERED)
async def test_one_changed_byte_is_found(log: tuple[Gate, str], what: str) -> None:
    gate, began = log
    voter, altered = TAMPERED[what]
    async with nats_server() as server:
        assert await copied(gate, server, altered) == 1
        async with rehearsing(server) as bus:
            done, found = await checked(bus, began)
    assert done.differences == len(found)
    assert voter in {one.voter for one in found}


async def test_a_copy_that_is_like_its_original_has_no_difference(log: tuple[Gate, str]) -> None:
    gate, began = log
    async with nats_server() as server:
        assert await copied(gate, server, lambda _, payload: payload) == 0
        async with rehearsing(server) as bus:
            done, found = await checked(bus, began)
    assert (found, done.differences, done.unreadable) == ([], 0, 0)
