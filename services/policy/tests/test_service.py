"""policy on a real bus: logins, networks, votes, restarts, lost databases."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import bcrypt
import httpx
import pytest

from varco_common.base.errors import TransientError
from varco_common.events import AccountOpened, CredentialAdded, Language, SenderAuthorised, TokenUsed
from varco_common.mail.ballot import Ballot
from varco_common.mail.envelope import Envelope
from varco_common.mail.grants import LOGIN, Denied, Grant, Unavailable
from varco_common.mail.replies import Reply
from varco_common.mime import Manifest, Part
from varco_common.runtime import token_uses
from varco_common.runtime.tokens import token_parts
from varco_common.testing.diversion import divert
from varco_common.testing.waiting import eventually
from varco_policy import app
from varco_policy.app import MAX_HASHING_PER_THREAD
from varco_policy.decide import decide
from varco_policy.model.account import Account
from varco_policy.model.account_projection import apply

ACME = {
    "language": "it",
    "users": [{"login": "Alice@acme.example", "password": "a-long-secret"}],
    "senders": ["@acme.example"],
    "networks": ["192.0.2.0/28", {"network": "192.0.2.8/29", "normalise": True}],
}


def ballot(sender="alice@acme.example", account="acme", parts=()):
    envelope = Envelope(
        id="0" * 20,
        account=account,
        sender=sender,
        recipients=("b@c.example",),
        host="::1",
        received_at=datetime.now(UTC),
    )
    return Ballot(envelope=envelope, manifest=Manifest(authors=(sender,), parts=parts))


async def vote(policy, ballot):
    [vote] = await policy.bus.voting.collect(ballot, ["policy"], 5)
    return vote


async def used_at(policy):
    return (await policy.http.get("/accounts/acme/users")).json()[0]


async def count(bus, subjects):
    """How many events there are by now."""
    last, found = await bus.events.last_sequence(subjects), 0
    if not last:
        return 0
    async with aclosing(bus.events.follow(subjects)) as events:
        async for stored in events:
            found += 1
            if stored.sequence == last:
                break
    return found


@pytest.mark.parametrize("subject", ["events.policy.token-issued.admin", "events.policy.unheard-of.admin"])
async def test_a_diverted_answer_stops_neither_admin_tokens_nor_the_start(start, nats, subject):
    async with start() as policy:
        issued = (await policy.http.post("/tokens", json={"name": "x"})).json()
        await divert(nats, subject, b"no event")
        other = await policy.http.post("/tokens", json={"name": "y"})
        assert other.is_success, other.text
        assert (await policy.http.delete(f"/tokens/{issued['id']}")).is_success
        await divert(nats, subject, b"no event")
    async with start() as policy:
        await policy.ready()
        assert [token["id"] for token in (await policy.http.get("/tokens")).json()] == [other.json()["id"]]
        assert (await policy.http.delete(f"/tokens/{other.json()['id']}")).is_success


async def test_a_login_is_granted_what_its_account_may_do(policy):
    version = (await policy.put("/accounts/acme", **ACME))["version"]
    grant = await policy.login("ALICE@acme.example", "a-long-secret")
    assert isinstance(grant, Grant)
    assert (grant.account, grant.senders, grant.max_size, grant.max_recipients) == (
        "acme",
        ("@acme.example",),
        20_000_000,
        100,
    )
    assert (grant.texts.languages, grant.normalise) == ((Language.IT,), False)
    assert grant.sequence >= version


async def test_a_wrong_password_and_an_unknown_login_are_denied(policy):
    await policy.put("/accounts/acme", **ACME)
    assert await policy.login("alice@acme.example", "wrong") == Denied(account="acme", reason="wrong password")
    assert await policy.login("nobody", "wrong") == Denied(reason="no such login")
    assert isinstance(await policy.login("alice@acme.example", "x" * 2000), Denied)
    assert isinstance(await policy.login("", ""), Denied)


async def test_a_disabled_login_is_denied_without_a_strike_until_it_is_enabled(policy):
    await policy.put("/accounts/acme", **ACME)
    user = "/accounts/acme/users/alice@acme.example"
    done = await policy.put(user, disabled=True)
    assert [change["line"] for change in done["changes"]] == ["~ user alice@acme.example disabled"]
    assert (await policy.put(user, disabled=True))["changes"] == []
    denied = Denied(account="acme", reason="the login is disabled", disabled=True)
    assert await policy.login("alice@acme.example", "a-long-secret") == denied
    assert await policy.login("alice@acme.example", "wrong") == Denied(account="acme", reason="wrong password")
    shown = (await policy.http.get("/accounts/acme")).json()
    assert shown["users"][0]["disabled"] is True
    assert (await policy.put("/accounts/acme", users=shown["users"]))["changes"] == [], "as it is shown"
    await policy.put(user, disabled=False)
    assert isinstance(await policy.login("alice@acme.example", "a-long-secret"), Grant)
    assert "disabled" not in (await policy.http.get("/accounts/acme")).json()["users"][0]


async def test_a_removed_login_and_a_changed_password_are_denied_at_once(policy):
    await policy.put("/accounts/acme", **ACME)
    await policy.put("/accounts/acme/users/alice@acme.example", password="another-secret")
    assert isinstance(await policy.login("alice@acme.example", "a-long-secret"), Denied)
    assert isinstance(await policy.login("alice@acme.example", "another-secret"), Grant)
    await policy.http.delete("/accounts/acme/users/alice@acme.example")
    assert isinstance(await policy.login("alice@acme.example", "another-secret"), Denied)


async def test_the_narrowest_trusted_network_grants(policy):
    await policy.put("/accounts/acme", **ACME)
    await policy.put("/accounts/wide", networks=["192.0.2.0/24"])
    assert (await policy.network("192.0.2.1")).account == "acme"
    assert (await policy.network("192.0.2.1")).normalise is False
    assert (await policy.network("192.0.2.9")).normalise is True
    assert (await policy.network("192.0.2.77")).account == "wide"
    assert isinstance(await policy.network("198.51.100.1"), Denied)


async def test_a_flood_of_logins_is_put_off_and_never_a_strike(start, monkeypatch):
    monkeypatch.setattr(app, "HASHING_THREADS", 1)
    monkeypatch.setattr(app, "ARGON2_MEMORY_KIB", 32_768)
    async with start() as policy:
        await policy.put("/accounts/acme", **ACME)
        answers = await asyncio.gather(*(policy.login("nobody", "x") for _ in range(MAX_HASHING_PER_THREAD + 30)))
        kinds = [type(answer) for answer in answers]
        assert kinds.count(Denied) >= MAX_HASHING_PER_THREAD // 2  # one host gets half of the queue
        assert kinds.count(Unavailable) >= 8
        assert isinstance(await policy.login("alice@acme.example", "a-long-secret"), Grant)


async def test_an_imported_hash_is_upgraded_at_login_and_its_use_is_noted_once(policy):
    imported = bcrypt.hashpw(b"old-secret", bcrypt.gensalt(4)).decode()
    await policy.put("/accounts/acme", users=[{"login": "alice", "password_hash": f"{{BLF-CRYPT}}{imported}"}])
    assert (await used_at(policy))["hash"] == "bcrypt"
    await asyncio.gather(*(policy.login("alice", "old-secret") for _ in range(5)))

    async def upgraded():
        user = await used_at(policy)
        return user if user["hash"] == "argon2id" and user["used_at"] else None

    await eventually(upgraded)
    assert isinstance(await policy.login("alice", "old-secret"), Grant)
    assert await policy.bus.events.last_sequence("events.policy.credential-upgraded.*") > 0
    assert await count(policy.bus, "events.policy.credential-used.*") == 1
    again = await policy.put("/accounts/acme", users=[{"login": "alice", "password_hash": imported}])
    assert again["changes"] == []


async def test_a_logins_use_is_noted_once_for_each_host(policy):
    await policy.put("/accounts/acme", users=[{"login": "alice", "password": "a-long-secret"}])
    for host in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2", "192.0.2.3"):
        assert isinstance(await policy.login("alice", "a-long-secret", host), Grant)

    async def noted():
        return await count(policy.bus, "events.policy.credential-used.*") >= 3

    await eventually(noted)
    assert await count(policy.bus, "events.policy.credential-used.*") == 3


async def test_a_question_that_is_none_gets_no_answer_and_the_next_one_does(policy):
    with pytest.raises(TransientError):
        await policy.bus.requests.ask(LOGIN, b"{nonsense", 0.3)
    assert isinstance(await policy.login("nobody", "x"), Denied)


async def test_policy_votes_by_what_was_last_said(policy):
    assert (await vote(policy, ballot())).reply is Reply.NOT_AUTHENTICATED
    version = (await policy.put("/accounts/acme", **ACME))["version"]
    yes = await vote(policy, ballot())
    assert (yes.reply, yes.sequence) == (Reply.ACCEPTED, version)
    exe = Part(path="1", media_type="application/pdf", start=0, end=9, size=9, names=("a.exe",))
    no = await vote(policy, ballot(parts=(exe,)))
    assert no.reply is Reply.FORBIDDEN_ATTACHMENT
    assert no.text.startswith('L\'allegato "a.exe"\nha violato')
    await policy.http.delete("/accounts/acme/senders/@acme.example")
    assert (await vote(policy, ballot())).reply is Reply.SENDER_NOT_AUTHORISED
    await policy.http.delete("/accounts/acme", params={"reason": "gone"})
    assert (await vote(policy, ballot())).reply is Reply.NOT_AUTHENTICATED


async def test_two_processes_agree_and_one_of_two_writers_wins(start, tmp_path):
    other_home = tmp_path / "other"
    other_home.mkdir()
    async with start() as one, start(home=other_home) as two:
        await one.put("/accounts/acme", **ACME)
        version = (await two.http.get("/accounts/acme")).headers["etag"]
        answers = await asyncio.gather(
            *(
                writer.http.put("/accounts/acme/rules", json={"max_recipients": n}, headers={"If-Match": version})
                for n, writer in enumerate((one, two, one, two), 10)
            )
        )
        codes = sorted(answer.status_code for answer in answers)
        assert codes == [200, 409, 409, 409]
        [winner] = [answer for answer in answers if answer.status_code == 200]
        kept = [(await writer.http.get("/accounts/acme/rules")).json()["max_recipients"] for writer in (one, two)]
        assert winner.json()["changes"][0]["line"].endswith(f"-> {kept[0]}")


async def test_a_restart_goes_on_where_it_was(start):
    async with start() as policy:
        await policy.put("/accounts/acme", **ACME)
        before = (await policy.http.get("/accounts/acme")).json()
    async with start() as policy:
        assert (await policy.http.get("/accounts/acme")).json() == before
        assert isinstance(await policy.login("alice@acme.example", "a-long-secret"), Grant)
        assert (await policy.network("192.0.2.9")).normalise is True


async def test_a_deleted_database_is_made_anew(start, tmp_path):
    async with start() as policy:
        await policy.put("/accounts/acme", **ACME)
        before = (await policy.http.get("/accounts/acme")).json()
    for file in (tmp_path / "data").glob("policy.sqlite*"):
        file.unlink()
    async with start() as policy:
        assert (await policy.http.get("/accounts/acme")).json() == before
        assert (await vote(policy, ballot())).reply is Reply.ACCEPTED


async def test_a_second_holder_of_a_login_that_got_in_is_nobody(start, policy):
    """If two processes accept one login at the same moment, the order of the events decides."""
    at, digest = datetime.now(UTC), bcrypt.hashpw(b"second-secret", bcrypt.gensalt(4)).decode()
    await policy.put("/accounts/acme", **ACME)
    await policy.bus.events.append(AccountOpened(at=at, account="evil", language=Language.EN))
    added = CredentialAdded(at=at, account="evil", login="alice@acme.example", name="x", hash=digest)
    await policy.bus.events.append(added)
    assert isinstance(await policy.login("alice@acme.example", "second-secret"), Denied)
    assert (await policy.login("alice@acme.example", "a-long-secret")).account == "acme"


async def test_a_bus_that_comes_back_is_followed_again(policy, nats):
    await policy.put("/accounts/acme", **ACME)
    await nats.restart()
    await policy.ready()

    async def voted():
        return await policy.bus.voting.collect(ballot(), ["policy"], 1)

    await eventually(voted)
    assert (await policy.put("/accounts/acme/rules", max_recipients=7))["changes"]
    assert (await policy.login("alice@acme.example", "a-long-secret")).max_recipients == 7


async def test_votes_and_logins_are_counted(policy):
    await policy.put("/accounts/acme", **ACME)
    await vote(policy, ballot())
    await policy.login("nobody", "x")
    async with httpx.AsyncClient(timeout=60) as anybody:
        shown = (await anybody.get(f"{policy.base}/metrics")).text
    assert "varco_policy_accounts 1.0" in shown
    for counter in ('varco_policy_votes_total{reply="accepted"}', 'varco_policy_logins_total{outcome="denied"}'):
        [line] = [line for line in shown.splitlines() if line.startswith(counter)]
        assert float(line.split()[-1]) >= 1


def test_a_vote_can_be_cast_again_from_the_state_it_was_cast_on():
    account = Account(name="acme", language=Language.IT, opened_at=datetime.now(UTC))
    said = SenderAuthorised(at=datetime.now(UTC), account="acme", pattern="@acme.example")
    assert decide(ballot(), account).reply is Reply.SENDER_NOT_AUTHORISED
    assert decide(ballot(), apply(account, said)).reply is Reply.ACCEPTED


async def test_a_token_has_a_last_use_and_one_event_an_hour(policy):
    await policy.http.put("/accounts/acme", json=ACME)
    issued = (await policy.http.post("/accounts/acme/tokens", json={"name": "theirs"})).json()
    version = (await policy.http.get("/accounts/acme")).headers["etag"]

    async def listed(path: str) -> dict:
        (token,) = (await policy.http.get(path)).json()
        return token

    assert (await listed("/accounts/acme/tokens"))["used_at"] is None
    admin = (await policy.http.post("/tokens", json={"name": "an admin's"})).json()
    for text, path in ((issued["token"], "/accounts/acme/tokens"), (admin["token"], "/tokens")):
        async with policy.client(text) as client:
            for _ in range(5):
                assert (await client.get(path)).status_code == 200

        async def used(path=path) -> bool:
            return bool((await listed(path))["used_at"])

        await eventually(used)
    assert await count(policy.bus, TokenUsed.subject_filter()) == 2
    assert (await policy.http.get("/accounts/acme")).headers["etag"] == version, "a use is no change of settings"


async def test_the_use_of_a_token_that_is_not_listed_is_no_event(policy):
    assert (await policy.http.get("/tokens")).status_code == 200  # the first admin token has no list
    assert await policy.bus.requests.ask(token_uses.QUESTION, b"0" * 20, timeout=30) == b""
    assert await count(policy.bus, TokenUsed.subject_filter()) == 0


async def test_a_token_is_issued_to_an_end(policy):
    await policy.http.put("/accounts/acme", json=ACME)
    until = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    form = {"name": "for a day", "until": until.isoformat()}
    issued = (await policy.http.post("/accounts/acme/tokens", json=form)).json()
    (listed,) = (await policy.http.get("/accounts/acme/tokens")).json()
    assert datetime.fromisoformat(listed["until"]) == until
    assert token_parts(issued["token"]).token.until == until.timestamp()
    async with policy.client(issued["token"]) as client:
        assert (await client.get("/accounts/acme")).status_code == 200
    for end in ("2020-01-01T00:00:00Z", "9999-12-31T23:30:00-12:00"):
        wrong = {"name": "x", "until": end}
        assert (await policy.http.post("/accounts/acme/tokens", json=wrong)).status_code == 422
