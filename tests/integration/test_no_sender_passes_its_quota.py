"""A sender's limit holds by real SMTP: in parallel, and across a crash of ratelimit.

A refused mail does not count.
"""

import re
import threading
from collections import Counter
from collections.abc import Callable

import pytest

from tests.integration.gate import Gate, mail, transact, wait_for

LIMIT, CONNECTIONS, MAILS = 100, 50, 10


@pytest.fixture
def limited(own_gate: Callable[..., Gate]) -> Gate:
    gate = own_gate()
    done = gate.varco("quota", "set", "acme", f"messages={LIMIT}", "--reason", "the test")
    assert done.returncode == 0, done.stderr
    return gate


def flood(gate: Gate, sender: str, during: Callable[[], None] = lambda: None) -> Counter[str]:
    """Sends 10 mails over each of 50 connections, and counts the answers by enhanced code.

    Each mail is sent again while the answer is 451.
    """
    answers: list[str] = []

    def connection() -> None:
        with gate.smtp() as client:
            for _ in range(MAILS):
                while (answer := transact(client, sender, ["bob@dest.test"], mail(sender)))[0] == 451:
                    client.rset()
                answers.append(f"{answer[0]} {answer[1].split()[0]}")
                client.rset()

    threads = [threading.Thread(target=connection) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    during()
    for thread in threads:
        thread.join()
    return Counter(answers)


def used(gate: Gate, sender: str) -> tuple[int, int]:
    """Returns counted and pending messages of the sender."""
    [found] = gate.json("quota", "show", sender, "--account", "acme")
    return found["meters"][0]["used"], found["meters"][0]["pending"]


def test_of_500_mails_over_50_connections_at_once_exactly_100_pass(limited: Gate) -> None:
    assert flood(limited, "alice@acme.test") == {"250 2.0.0": LIMIT, "450 4.7.1": CONNECTIONS * MAILS - LIMIT}
    wait_for(lambda: used(limited, "alice@acme.test") == (LIMIT, 0))


def test_exactly_100_pass_when_ratelimit_is_killed_meanwhile(limited: Gate) -> None:
    sender = "carol@acme.test"

    def kill_twice() -> None:
        for share in (LIMIT // 5, LIMIT // 2):
            wait_for(lambda share=share: used_or_none(limited, sender) >= share)
            limited.kill("ratelimit")

    answers = flood(limited, sender, kill_twice)
    assert answers == {"250 2.0.0": LIMIT, "450 4.7.1": CONNECTIONS * MAILS - LIMIT}


def used_or_none(gate: Gate, sender: str) -> int:
    """Returns the same as `used`, or None while the service is down."""
    done = gate.varco("quota", "show", sender, "--account", "acme", "--json")
    return int(re.search(r'"used": (\d+)', done.stdout)[1]) if done.returncode == 0 else 0


def test_the_answer_says_who_how_much_and_until_when_and_a_refused_mail_costs_nothing(limited: Gate) -> None:
    sender = "dora@acme.test"
    assert limited.varco("quota", "except", "acme", sender, "messages=2", "--reason", "a test").returncode == 0
    with limited.smtp() as client:
        for _ in range(5):
            code, _ = transact(client, sender, ["bob@dest.test"], mail("else@elsewhere.test"))
            assert code == 550
            client.rset()
        for _ in range(2):
            assert transact(client, sender, ["bob@dest.test"], mail(sender))[0] == 250
            client.rset()
        code, text = transact(client, sender, ["bob@dest.test", "ben@dest.test"], mail(sender))
    assert code == 450
    words = (
        r"4\.7\.1 <bob@dest\.test>\.\.\. dora@acme\.test ha superato 2 messaggi in 1 giorno; "
        r"prossimo messaggio ammesso alle [\d-]+ [\d:]+ \+0000 \([0-9a-z]{20}\)"
    )
    assert re.fullmatch(words, text), text
    assert limited.varco("quota", "reset", sender, "--reason", "agreed").returncode == 0
    with limited.smtp() as client:
        assert transact(client, sender, ["bob@dest.test"], mail(sender))[0] == 250


def test_the_section_of_an_account_file_comes_back_as_it_went_in(limited: Gate) -> None:
    document = (
        "account: acme\nquotas:\n  messages: {limit: 7, per: calendar day}\n  time_zone: Europe/Rome\n"
        "  exceptions:\n  - {sender: '@acme.test', messages: unlimited, until: 2031-01-01, reason: all of them}\n"
    )
    limited.apply(document)
    shown = limited.varco("show", "acme").stdout
    assert "calendar day" in shown
    assert limited.varco("apply", "-f", "-", stdin=shown).stdout == "no difference: it is so already\n"
    assert "unlimited" in limited.varco("quota", "list", "acme").stdout
