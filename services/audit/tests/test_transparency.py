"""audit signs what EVENTS holds, proves single events, and goes on from any end."""

import asyncio
import stat
from datetime import UTC, datetime

import msgspec
import pytest

from varco_audit.app import serve
from varco_audit.settings import Settings
from varco_audit.transparency.checkpoint_signer import CheckpointSigner
from varco_common.base.settings import BrokenSetting
from varco_common.events import AuthCause, AuthFailed, CheckpointKeyRotated, CheckpointSigned, CredentialAdded
from varco_common.testing.waiting import eventually
from varco_common.transparency import inclusion
from varco_common.transparency.checkpoint import Chain, Checkpoint, Rotation
from varco_common.transparency.signed_note import BadSignature, PublicKey, SigningKey

SIGNED = "events.audit.checkpoint-signed.*"


async def append_events(gate, count: int = 1) -> int:
    """Some traffic; returns the sequence of the last event."""
    last = 0
    for number in range(count):
        event = AuthFailed(
            at=datetime.now(UTC), host=f"192.0.2.{number % 250}", login="mario", cause=AuthCause.WRONG_CREDENTIALS
        )
        last = await gate.bus.events.append(event)
    return last


async def proof(audit) -> dict:
    """As GET /proof has it, once the tree has caught up."""

    async def answered() -> dict:
        answer = await audit.get("/proof")
        return answer.json() if answer.status_code == 200 else {}

    return await eventually(answered)


async def signed(audit) -> dict:
    await proof(audit)
    return (await audit.post("/proof/checkpoints")).raise_for_status().json()


async def verification(audit, *checkpoints: str) -> dict:
    """The last frame."""
    answer = (await audit.post("/proof/verification", json={"checkpoints": checkpoints})).raise_for_status()
    last = msgspec.json.decode(answer.text.splitlines()[-1])
    assert last["done"]
    return last


def checkpoint_files(gate):
    return gate.home / "audit" / "checkpoints"


async def test_traffic_is_signed_into_an_event_and_a_file(gate):
    await append_events(gate, 5)
    async with gate.audit() as audit:
        state = await signed(audit)
    checkpoint = Checkpoint.parse(state["checkpoint"])
    assert checkpoint.size == 5
    assert Chain([PublicKey.parse(state["key"])]).verify(checkpoint)
    (event,) = await gate.events(SIGNED)
    assert isinstance(event.event, CheckpointSigned)
    assert (event.event.note, event.event.size) == (checkpoint.text, 5)
    (file,) = checkpoint_files(gate).glob("*/000000000005.checkpoint")
    assert file.read_text() == (checkpoint_files(gate) / "latest.checkpoint").read_text() == checkpoint.text
    assert (checkpoint_files(gate) / "log.pub").read_text().strip() == state["key"]


async def test_traffic_is_signed_without_being_asked(gate, monkeypatch):
    monkeypatch.setattr(CheckpointSigner, "interval", 0.05)
    await append_events(gate)
    async with gate.audit():
        assert await eventually(lambda: gate.bus.events.last_sequence(SIGNED))


async def test_a_checkpoint_is_no_traffic(gate):
    await append_events(gate)
    async with gate.audit() as audit:
        for _ in range(3):
            await signed(audit)
    assert len(await gate.events(SIGNED)) == 1
    async with gate.audit() as audit:
        await signed(audit)
        assert len(await gate.events(SIGNED)) == 1
        await append_events(gate)
        assert Checkpoint.parse((await signed(audit))["checkpoint"]).size == 3
    assert len(await gate.events(SIGNED)) == 2


async def test_an_event_is_proven_with_nothing_but_the_proof_and_the_key(gate):
    last = await append_events(gate, 9)
    async with gate.audit() as audit:
        key = PublicKey.parse((await signed(audit))["key"])
        for sequence in range(1, last + 1):
            document = (await audit.get(f"/proof/events/{sequence}")).raise_for_status().content
            proven = inclusion.check(document, [key])
            assert proven.entry.sequence == sequence
            assert proven.entry.payload == (await gate.bus.events.get(sequence)).payload
            assert document.count(b"auth.failed.v1") == 1


async def test_an_event_that_no_checkpoint_covers_is_not_proven_yet(gate):
    await append_events(gate)
    async with gate.audit() as audit:
        await signed(audit)
        last = await append_events(gate)
        assert (await audit.get(f"/proof/events/{last}")).status_code == 409
        assert (await audit.get(f"/proof/events/{last + 1}")).status_code == 404


async def test_an_honest_log_is_verified_against_every_checkpoint(gate):
    checkpoints = []
    async with gate.audit() as audit:
        for _ in range(3):
            await append_events(gate, 4)
            checkpoints.append((await signed(audit))["checkpoint"])
        frame = await verification(audit, *checkpoints)
    assert (frame["events"], frame["signed"], frame.get("departure")) == (15, 14, None)


@pytest.mark.parametrize("lost", ["nothing", "the tree", "a byte of the tree", "the files above"])
async def test_after_any_end_the_tree_is_the_same(gate, lost):
    await append_events(gate, 600)
    async with gate.audit() as audit:
        await signed(audit)
    await append_events(gate, 10)
    hashes = gate.home / "audit" / "hashes"
    if lost == "the tree":
        hashes.unlink()
    elif lost == "a byte of the tree":
        hashes.write_bytes(b"\x00" + hashes.read_bytes()[1:])
        hashes.with_name("hashes.8").unlink()
    elif lost == "the files above":
        hashes.with_name("hashes.8").unlink()
    async with gate.audit() as audit:
        state = await signed(audit)
        assert (state["broken"], state["signed"]) == ("", 611)
        assert "departure" not in await verification(audit)


async def test_a_key_that_is_rotated_keeps_old_checkpoints_good_by_the_old_key_or_the_new(gate):
    async with gate.audit() as audit:
        await append_events(gate)
        first = await signed(audit)
        answer = await audit.post("/proof/key/rotations", params={"reason": "yearly"})
        rotated = answer.raise_for_status().json()
        await append_events(gate)
        second = await signed(audit)
    assert first["key"] != second["key"] == rotated["key"]
    rotations = [Rotation.parse(text) for text in second["rotations"]]
    for key in (first["key"], second["key"]):
        chain = Chain([PublicKey.parse(key)], rotations)
        for state in (first, second):
            chain.verify(Checkpoint.parse(state["checkpoint"]))
    with pytest.raises(BadSignature):
        Chain([PublicKey.parse(first["key"])]).verify(Checkpoint.parse(second["checkpoint"]))
    (event,) = await gate.events("events.audit.checkpoint-key-rotated.*")
    assert isinstance(event.event, CheckpointKeyRotated)
    assert (event.event.reason, event.event.note) == ("yearly", rotations[0].text)
    async with gate.audit() as audit:
        assert (await proof(audit))["key"] == second["key"]
        document = (await audit.get("/proof/events/1")).content
        assert inclusion.check(document, [PublicKey.parse(first["key"])])
        assert "departure" not in await verification(audit, first["checkpoint"], second["checkpoint"])


@pytest.mark.parametrize("in_events", [True, False])
async def test_a_rotation_that_was_cut_off_holds_if_it_became_an_event(gate, in_events):
    key_file = gate.home / "secrets" / "audit-signing.key"
    async with gate.audit() as audit:
        await append_events(gate)
        await signed(audit)
        before = key_file.read_text()
        new = (await audit.post("/proof/key/rotations")).json()["key"]
    if in_events:
        key_file.with_name("audit-signing.key.next").write_text(key_file.read_text())
    else:
        key_file.with_name("audit-signing.key.next").write_text(SigningKey.new("varco-other").text())
        before = key_file.read_text()
    key_file.with_name("audit-signing.key.next").chmod(0o600)
    key_file.write_text(before)
    async with gate.audit() as audit:
        assert (await proof(audit))["key"] == new
    assert not key_file.with_name("audit-signing.key.next").exists()


async def test_the_key_is_nobody_elses_to_read(gate):
    key_file = gate.home / "secrets" / "audit-signing.key"
    async with gate.audit():
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    key_file.chmod(0o640)
    with pytest.raises(BrokenSetting, match=r"VARCO_AUDIT_SIGNING_KEY_FILE=.*0600.*0640"):
        async with gate.audit():
            pass
    key_file.chmod(0o600)
    key_file.write_text("no key")
    with pytest.raises(BrokenSetting, match="VARCO_AUDIT_SIGNING_KEY_FILE"):
        async with gate.audit():
            pass


async def test_who_lost_the_key_goes_on_with_another_under_the_logs_name(gate, monkeypatch):
    monkeypatch.setattr(CheckpointSigner, "interval", 0.001)
    async with gate.audit() as audit:
        await append_events(gate)
        first = await signed(audit)
    (gate.home / "secrets" / "audit-signing.key").unlink()
    await append_events(gate)
    async with gate.audit() as audit:
        second = await signed(audit)
    assert PublicKey.parse(first["key"]).name == PublicKey.parse(second["key"]).name
    assert Chain([PublicKey.parse(second["key"])]).verify(Checkpoint.parse(second["checkpoint"]))


async def test_two_audits_with_one_key_never_sign_the_same_twice(gate, tmp_path_factory):
    other = type(gate)(gate.nats, gate.bus, tmp_path_factory.mktemp("other"))
    async with gate.audit() as audit:
        await append_events(gate)
        await signed(audit)
        (other.home / "secrets").mkdir()
        key = (gate.home / "secrets" / "audit-signing.key").read_text()
        (other.home / "secrets" / "audit-signing.key").write_text(key)
        (other.home / "secrets" / "audit-signing.key").chmod(0o600)
        async with other.audit() as second:
            for _ in range(5):
                await append_events(gate)
                await asyncio.gather(signed(audit), signed(second))
    sizes = [event.event.size for event in await gate.events(SIGNED)]
    assert len(sizes) == len(set(sizes)) == 6


async def test_two_audits_can_not_share_a_directory(gate):
    async with gate.audit():
        with pytest.raises(BrokenSetting, match="this audit alone"):
            await serve(Settings(**gate.settings | {"api_port": 0}))


async def test_an_account_may_ask_for_no_proof(gate):
    await append_events(gate)
    async with gate.audit() as audit:
        await signed(audit)
        async with gate.client("acme") as account:
            assert (await account.get("/proof/events/1")).status_code == 403


async def test_a_token_for_reading_gets_no_hash_by_the_raw_log(gate):
    plain = await append_events(gate)
    added = CredentialAdded(at=datetime.now(UTC), account="acme", login="m@acme.example", name="M", hash="$argon2id$x")
    secret = await gate.bus.events.append(added)
    async with gate.audit() as audit, gate.reader() as reader:
        await signed(audit)
        assert "$argon2id$x" in (await audit.get("/proof/log")).text
        assert "$argon2id$x" in (await audit.get(f"/proof/events/{secret}")).text
        assert (await reader.get(f"/proof/events/{plain}")).status_code == 200
        for path in ("/proof/log", f"/proof/events/{secret}"):
            answer = await reader.get(path)
            assert answer.status_code == 403
            assert "$argon2id$x" not in answer.text
        shown = (await reader.get("/events/stream")).text
        assert len(shown.splitlines()) == await gate.bus.events.last_sequence("events.>")
        assert "$argon2id$x" not in shown


async def test_a_rotation_names_who_asked_for_it(gate):
    async with gate.audit() as audit:
        await proof(audit)
        (await audit.post("/proof/key/rotations", params={"reason": "a test"})).raise_for_status()
    (event,) = await gate.events(CheckpointKeyRotated.subject_filter())
    assert event.event.by.startswith("token:")


async def test_how_old_the_last_checkpoint_is_can_be_measured(gate):
    await append_events(gate, 3)
    async with gate.audit() as audit:
        await signed(audit)
        metrics = (await audit.get("/metrics")).text
    assert "\nvarco_audit_checkpoint_events 3.0\n" in metrics
    assert "\nvarco_audit_unsigned_events 0.0\n" in metrics
    assert "\nvarco_audit_checkpoint_age_seconds " in metrics
    assert "\nvarco_audit_verification_failures_total " in metrics
