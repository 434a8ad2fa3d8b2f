"""A gateway hides all clients behind it: it is never banned, and each login is dealt with alone."""

from datetime import UTC, datetime

from varco_common.events import (
    AtSharedHosts,
    AuthCause,
    CredentialUsed,
    GatewayDetected,
    HostBanned,
    LoginNamed,
    Rules,
    RulesChanged,
)
from varco_common.mail.replies import Reply
from varco_common.testing.waiting import eventually

GATEWAY, MARIO = "172.18.0.1", "mario@acme.example"


async def detect(banguard) -> None:
    sequence = await banguard.bus.events.append(GatewayDetected(at=datetime.now(UTC), host=GATEWAY))

    async def listed() -> bool:
        return [one["host"] for one in (await banguard.http.get("/gateways")).json()] == [GATEWAY]

    await eventually(listed)
    assert sequence


async def fail(banguard, count: int = 3, cause: AuthCause = AuthCause.WRONG_CREDENTIALS) -> None:
    for _ in range(count):
        await banguard.fail(GATEWAY, cause=cause)


async def missing(banguard) -> str:
    check = (await banguard.http.get("/readyz")).json()["checks"]["gateway"]
    return check.get("why", "")


async def test_three_bad_logins_of_a_gateway_guard_the_login_and_ban_nobody(banguard, capfd):
    now = datetime.now(UTC)
    await banguard.bus.events.append(LoginNamed(at=now, account="acme", login=MARIO))
    await banguard.bus.events.append(CredentialUsed(at=now, account="acme", login=MARIO, host=GATEWAY))
    await detect(banguard)
    assert not await missing(banguard)
    await fail(banguard)
    guarded = await banguard.next_event("login-guarded")
    assert (guarded.login, guarded.hiding) == (MARIO, (GATEWAY,))
    assert (await banguard.vote(GATEWAY, MARIO)).reply is Reply.ACCEPTED
    assert not await banguard.all_events("host-banned", "login-stopped")

    assert f"the gateway {GATEWAY} failed too often and is not banned" in await missing(banguard)
    assert (await banguard.http.get("/readyz")).status_code == 200
    assert (await banguard.http.get("/gateways")).json() == [{"host": GATEWAY, "failures": 3, "spared": True}]
    assert "a gateway failed too often and is not banned" in capfd.readouterr().err


async def test_a_gateway_that_an_operator_ignores_is_not_warned_of(banguard):
    await detect(banguard)
    await fail(banguard)
    await banguard.until_events(3, "host-found")
    assert await missing(banguard)
    await banguard.http.put(f"/ignored/{GATEWAY}", params={"reason": "we know it"})
    assert not await missing(banguard)
    assert (await banguard.http.get("/gateways")).json() == []


async def test_no_kind_of_failure_bans_a_gateway(banguard):
    await detect(banguard)
    for cause in (AuthCause.INSECURE_CHANNEL, AuthCause.BROKEN_OFF):
        await fail(banguard, 5, cause)
    await banguard.until_events(10, "host-found")
    form = {"network": GATEWAY, "reason": "by hand"}
    refused = await banguard.http.post("/bans", json=form)
    assert (refused.status_code, "is a gateway" in refused.json()["detail"]) == (422, True)
    assert not await banguard.all_events("host-banned")


async def test_an_unauthorised_sender_behind_a_gateway_is_stopped_whatever_the_account_wants(banguard):
    await detect(banguard)
    rules = Rules(unauthorised_senders=AtSharedHosts.BAN)
    await banguard.bus.events.append(RulesChanged(at=datetime.now(UTC), account="acme", rules=rules))
    await banguard.http.patch("/rules", json={"shared.logins": "off", "shared.networks": "off"})
    for _ in range(3):
        await banguard.refuse(GATEWAY, "acme", "boss@other.example", login=MARIO)
    assert (await banguard.next_event("login-stopped")).because == "gateway"
    assert (await banguard.vote(GATEWAY, MARIO)).reply is Reply.LOGIN_STOPPED
    assert (await banguard.vote(GATEWAY, "anna@acme.example")).reply is Reply.ACCEPTED


async def test_a_ban_from_before_and_a_wide_one_do_not_reach_a_gateway(start):
    async with start() as banguard:
        for network in (GATEWAY, "172.16.0.0/12"):
            await banguard.bus.events.append(HostBanned(at=datetime.now(UTC), network=network, until=None))
        assert await eventually(banguard.banned)
        await detect(banguard)
        assert (await banguard.vote(GATEWAY)).reply is Reply.ACCEPTED
        assert (await banguard.vote("172.18.0.2")).reply is Reply.HOST_BANNED
    async with start() as banguard:
        assert (await banguard.vote(GATEWAY)).reply is Reply.ACCEPTED, "a restart knows it, too"
