"""A broken setting refuses the start in one line, and the bus lets relay do its work."""

import asyncio
import json
from datetime import timedelta

import pytest

from varco_common.base.settings import BrokenSetting, load
from varco_common.bus import Bus
from varco_common.bus.permissions import permissions
from varco_common.events import MailBounced, MailDelivered, SenderNotified
from varco_common.testing import nats_server
from varco_common.testing.next_hop import NextHop
from varco_relay.app import SERVICE, serve
from varco_relay.settings import Settings

from .conftest import Gate


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEFAULT_ROUTE", "no port here:x"),
        ("HELO_NAME", "two words"),
        ("RETRY_FIRST", "soon"),
        ("TIMEOUT_FACTOR", "0"),
        ("CONNECTIONS", "0"),
        ("CONECTIONS", "4"),
    ],
)
def test_a_broken_setting_is_named(monkeypatch, name, value):
    monkeypatch.setenv(f"VARCO_RELAY_{name}", value)
    with pytest.raises(BrokenSetting, match=f"^VARCO_RELAY_{name}=[^\n]+$"):
        load(Settings)


def test_a_mail_is_given_up_before_its_record_leaves_mail():
    assert Settings(give_up="30 days", mail_days=10.0).schedule.give_up == timedelta(days=9)
    assert Settings().schedule.give_up == timedelta(days=5)


@pytest.mark.parametrize("variable", sorted(Settings.retired))
def test_a_setting_of_an_earlier_version_does_not_refuse_the_start(monkeypatch, capsys, variable):
    monkeypatch.setenv(variable, "7")
    load(Settings)
    assert variable in capsys.readouterr().err


@pytest.mark.parametrize(("name", "content"), [("ca_file", "no PEM"), ("key_file", "no key")])
async def test_a_file_that_cant_be_used_is_named(tmp_path, name, content):
    file = tmp_path / "file"
    file.write_text(content)
    with pytest.raises(BrokenSetting, match=f"^VARCO_RELAY_{name.upper()}={file}: expected"):
        await serve(Settings(home=tmp_path, **{name: file}))


async def test_the_bus_lets_relay_do_its_work_and_no_more(hop: NextHop, tmp_path):
    allowed = permissions(SERVICE.name, SERVICE.publishes, SERVICE.subscribes).config()
    users = [{"user": "test", "password": "t"}, {"user": "relay", "password": "r", "permissions": allowed}]
    extra = f"authorization {{ users: {json.dumps(users)} }}"
    async with (
        nats_server(extra=extra, admin=("test", "t")) as nats,
        Bus.connect(nats.settings("test", "t"), "test") as bus,
    ):
        gate = Gate(nats, bus, tmp_path)
        (tmp_path / "relay.password").write_text("r")
        user = {"nats_user": "relay", "nats_password_file": tmp_path / "relay.password"}
        following = asyncio.create_task(gate.facts.follow(bus))
        await gate.account()
        hop.answer("never@x.example", "550 5.1.1 no")
        hop.answer("later@x.example", "450 4.2.0 later")
        async with gate.bus.mail.consume(
            "relay-acme", "mail.accepted.acme", in_flight=1, max_bytes=100_000, ack_wait=0.5
        ) as puller:
            await gate.mail("never@x.example", "later@x.example", "now@x.example")
            await anext(puller)  # comes a second time to relay, which then reads what is recorded
        async with gate.relay(default_route=f"127.0.0.1:{hop.port}", **user) as client:
            await gate.facts.until(MailDelivered, 3)
            await gate.facts.until(MailBounced)
            await gate.facts.until(SenderNotified)
            assert (await client.get("/accounts/acme/route")).json()["untried"] == 0
        following.cancel()
        assert "Violation" not in nats.log.read_text()
