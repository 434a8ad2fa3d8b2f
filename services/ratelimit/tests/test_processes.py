"""ratelimit as processes that are killed, and that share the work.

No limit is passed, and none is guessed.
"""

import asyncio
import json
import signal
from itertools import chain

import pytest

from varco_common.base.settings import load
from varco_common.base.subjects import PARTITIONS, partition
from varco_common.bus import Bus
from varco_common.bus.permissions import permissions
from varco_common.mail.replies import Reply
from varco_common.testing import nats_server
from varco_common.testing.processes import binary
from varco_ratelimit import partition_table
from varco_ratelimit.app import SERVICE
from varco_ratelimit.settings import Settings

from .conftest import ballot, until

ALLOWED = permissions(SERVICE.name, SERVICE.publishes, SERVICE.subscribes)
USERS = {
    "users": [
        {"user": "admin", "password": "admin-secret"},
        {"user": "ratelimit", "password": "secret", "permissions": ALLOWED.config()},
    ]
}


async def test_after_a_kill_in_the_middle_of_500_mails_exactly_100_pass(processes):
    one = processes()
    await one.start()
    await one.gate.ready()
    await one.gate.quotas(messages=100)

    async def connection():
        return [await one.gate.patiently(ballot()) for _ in range(10)]

    async def killer():
        for wanted in (20, 60):

            async def sent(wanted=wanted):
                return (
                    await one.gate.bus.events.last_sequence("events.ratelimit.quota-set.*")
                    and (await one.gate.bus.mail.last_sequence("mail.accepted.*")) >= wanted
                )

            await until(sent)
            await one.kill()
            await one.start()

    killing = asyncio.create_task(killer())
    replies = [*chain(*await asyncio.gather(*(connection() for _ in range(50))))]
    await killing
    assert (replies.count(Reply.ACCEPTED), replies.count(Reply.QUOTA_EXCEEDED)) == (100, 400)


async def test_what_a_killed_process_said_yes_to_counts_before_it_is_a_mail(processes):
    one = processes()
    await one.start()
    await one.gate.ready()
    await one.gate.quotas(messages=3)
    under_way = [ballot() for _ in range(3)]
    votes = [await one.gate.vote(each) for each in under_way]
    assert {vote.reply for vote in votes} == {Reply.ACCEPTED}
    await one.kill()
    await one.start()
    await one.gate.ready()
    assert (await one.gate.vote(ballot())).reply is Reply.QUOTA_EXCEEDED


async def test_two_processes_share_the_work_and_the_living_takes_over(processes):
    first, second = processes("one"), processes("two")
    await first.start()
    await first.gate.ready()
    await first.gate.quotas(messages=100)
    await second.start()

    async def shared():
        return (await first.partitions(), await second.partitions()) == (PARTITIONS // 2, PARTITIONS // 2)

    await until(shared)
    accounts = [f"account{number}" for number in range(20)]
    replies = await asyncio.gather(*(first.gate.patiently(ballot(account=account)) for account in accounts))
    assert {*replies} == {Reply.ACCEPTED}

    async def connection():
        return [await first.gate.patiently(ballot()) for _ in range(5)]

    async def owner(account):
        return partition_table.decode((await first.gate.bus.leases.get("ratelimit"))[1]).parts[partition(account)].owner

    sending = [asyncio.create_task(connection()) for _ in range(50)]

    async def under_way():
        return await first.gate.bus.mail.last_sequence("mail.accepted.acme") >= len(accounts) + 20

    await until(under_way)
    dying, surviving = (first, second) if await owner("acme") == first.identity else (second, first)
    await dying.kill()
    replies = [*chain(*await asyncio.gather(*sending))]
    assert (replies.count(Reply.ACCEPTED), replies.count(Reply.QUOTA_EXCEEDED)) == (100, 150)

    async def all_taken():
        return await surviving.partitions() == PARTITIONS

    await until(all_taken)


async def test_a_process_that_is_told_to_end_hands_over_at_once_with_what_is_under_way(processes):
    first = processes("one")
    await first.start()
    await first.gate.ready()
    await first.gate.quotas(messages=3)
    assert [(await first.gate.vote(ballot())).reply for _ in range(2)] == [Reply.ACCEPTED] * 2
    await first.kill(signal.SIGTERM)
    assert first.process.returncode == 0
    second = processes("two", lease=60.0, VARCO_INGRESS_VOTE_TIMEOUT="60s")
    await second.start()
    await second.gate.ready()
    assert [(await second.gate.vote(ballot())).reply for _ in range(2)] == [Reply.ACCEPTED, Reply.QUOTA_EXCEEDED]


async def test_a_process_that_was_stopped_for_a_while_votes_no_more_where_another_does(processes):
    first, second = processes("one"), processes("two")
    await first.start()
    await first.gate.ready()
    await first.gate.quotas(messages=100)
    first.process.send_signal(signal.SIGSTOP)
    try:
        await second.start()
        await second.gate.ready()

        async def all_taken():
            return await second.partitions() == PARTITIONS

        await until(all_taken)
        assert (await second.gate.vote(ballot())).reply is Reply.ACCEPTED
    finally:
        first.process.send_signal(signal.SIGCONT)

    async def shared():
        sequence, document = await first.gate.bus.leases.get("ratelimit")
        owners = [part.owner for part in partition_table.decode(document).parts]
        return sequence and len({*owners}) == 2 and await first.partitions() == PARTITIONS // 2

    await until(shared)


async def test_it_works_with_what_it_declares_alone_and_ends_when_told(processes, tmp_path):
    async with (
        nats_server(extra=f"authorization {json.dumps(USERS)}", admin=("admin", "admin-secret")) as guarded,
        Bus.connect(guarded.settings("admin", "admin-secret"), "t") as bus,
    ):
        password = tmp_path / "nats.password"
        password.write_text("secret")
        one = processes()
        one.gate.bus = bus
        named = {"VARCO_NATS_USER": "ratelimit", "VARCO_NATS_PASSWORD_FILE": str(password)}
        one.environment |= {"VARCO_NATS_URL": guarded.url, **named}
        await one.start()
        await one.gate.ready()
        await one.gate.quotas(messages=1)
        assert await one.gate.send(ballot()) is Reply.ACCEPTED
        await one.gate.counted(1)
        assert await one.gate.send(ballot()) is Reply.QUOTA_EXCEEDED
        assert (await one.gate.sender())["mails"][0]["mail"]
        await one.kill(signal.SIGTERM)
        assert one.process.returncode == 0
        assert "ermissions" not in guarded.log.read_text()


@pytest.mark.parametrize(
    ("variable", "value"), [("VARCO_INGRESS_VOTE_TIMEOUT", "soon"), ("VARCO_RATELIMIT_LAPS", "1s")]
)
async def test_a_broken_setting_ends_the_start_with_one_line_that_names_it(processes, variable, value):
    one = processes(**{variable: value})
    started = await asyncio.create_subprocess_exec(
        binary("varco-ratelimit"),
        env=one.environment,
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    _, errors = await started.communicate()
    assert started.returncode == 2
    assert errors.decode().startswith(f"{variable}={value}: ")


async def test_a_setting_of_an_earlier_version_is_ignored_with_a_warning(capsys):
    settings = load(Settings, {"VARCO_RATELIMIT_LEASE": "9s"})
    assert settings.vote_timeout
    assert "VARCO_RATELIMIT_LEASE" in capsys.readouterr().err


async def test_a_start_reads_what_it_had_counted_from_its_database_and_not_mail_again(processes):
    one = processes()
    await one.start()
    await one.gate.ready()
    await one.gate.quotas(messages=5)
    for _ in range(3):
        assert await one.gate.send(ballot()) is Reply.ACCEPTED
    await one.gate.counted(3)
    await one.kill(signal.SIGTERM)
    await one.start()
    await one.gate.ready()
    assert await one.gate.used() == 3
    assert "varco_ratelimit_records_total 0.0" in (await one.gate.http.get("/metrics")).text
    assert [await one.gate.send(ballot()) for _ in range(3)][1:] == [Reply.ACCEPTED, Reply.QUOTA_EXCEEDED]


async def test_a_database_that_knows_another_mail_is_counted_anew(processes):
    one = processes(lapse=1.0)
    await one.start()
    await one.gate.ready()
    await one.gate.quotas(messages=2)
    assert [await one.gate.send(ballot()) for _ in range(2)] == [Reply.ACCEPTED] * 2
    await one.gate.counted(2)
    await one.kill(signal.SIGTERM)
    async with nats_server() as empty, Bus.connect(empty.settings(), "test") as bus:
        one.environment["VARCO_NATS_URL"], one.gate.bus = empty.url, bus
        await one.start()
        await one.gate.ready()
        await one.gate.quotas(messages=1)
        assert await one.gate.used() == 0

        async def passes():  # what the reservation_log has lapses
            return await one.gate.send(ballot()) is Reply.ACCEPTED

        await until(passes)
        assert await one.gate.send(ballot()) is Reply.QUOTA_EXCEEDED
        await one.kill(signal.SIGTERM)
