"""Whose a failed login may be, if no account has it."""

from datetime import UTC, datetime

import pytest

from varco_banguard.claimed_names import ClaimedNames, Concerned, apply
from varco_common.events import AccountClosed, AnyEvent, DomainAdded, DomainProven, HostsNamed, SenderAuthorised

AT = datetime(2026, 11, 29, tzinfo=UTC)


def names_of(*events: AnyEvent) -> ClaimedNames:
    names, states = ClaimedNames(), {}
    for event in events:
        states[event.account] = apply(states.get(event.account), event)
        names.put(event.account, states[event.account])
    return names


def sends(account: str, pattern: str) -> SenderAuthorised:
    return SenderAuthorised(at=AT, account=account, pattern=pattern)


NAMES = names_of(
    sends("acme", "@acme.example"),
    sends("acme", "mario@gmail.com"),
    sends("acme", "@both.example"),
    sends("beta", "@both.example"),
    DomainAdded(at=AT, account="beta", domain="shop.acme.example", proof="p"),
    DomainProven(at=AT, account="beta", domain="shop.acme.example"),
    DomainAdded(at=AT, account="beta", domain="only.added.example", proof="p"),
    HostsNamed(at=AT, account="acme", hosts=("smtp.acme.example", "shared.example")),
    HostsNamed(at=AT, account="beta", hosts=("smtp.beta.example", "shared.example")),
)
NOBODY = Concerned()


def of(account: str) -> Concerned:
    return Concerned(accounts=(account,))


def seen_by(account: str) -> Concerned:
    return Concerned(seen_by=(account,))


@pytest.mark.parametrize(
    ("login", "concerned"),
    [
        ("maro@acme.example", of("acme")),
        ("maro@deep.acme.example", of("acme")),
        ("maro@shop.acme.example", of("beta")),  # the narrowest domain
        ("maro@both.example", NOBODY),
        ("maro@gmail.com", NOBODY),
        ("maro@only.added.example", NOBODY),  # anybody could add it
        ("maro@nowhere.example", NOBODY),
        ("maro", NOBODY),
        ("acme.example", NOBODY),
        ("", NOBODY),
    ],
)
def test_a_domain_that_one_account_alone_has_tells_whose_it_is(login, concerned):
    assert NAMES.concerned(login, "", "") == concerned


@pytest.mark.parametrize(
    ("login", "server_name", "concerned"),
    [
        ("maro", "smtp.beta.example", seen_by("beta")),
        ("maro", "shared.example", NOBODY),
        ("maro", "elsewhere.example", NOBODY),
        ("maro@acme.example", "smtp.beta.example", of("acme")),
        ("maro@both.example", "smtp.beta.example", seen_by("beta")),
    ],
)
def test_who_has_the_name_that_the_client_connected_to_sees_it(login, server_name, concerned):
    assert NAMES.concerned(login, server_name, "") == concerned


@pytest.mark.parametrize(
    ("login", "server_name", "concerned"),
    [
        ("maro", "", of("beta")),
        ("maro", "smtp.beta.example", of("beta")),
        ("maro", "shared.example", of("beta")),
        ("maro", "smtp.acme.example", seen_by("acme")),  # a guest of beta's network
        ("maro@acme.example", "", of("acme")),
        ("maro@both.example", "", of("beta")),
    ],
)
def test_who_trusts_the_network_has_it_unless_the_client_names_another(login, server_name, concerned):
    assert NAMES.concerned(login, server_name, "beta") == concerned


def test_of_three_accounts_the_third_sees_nothing_of_a_domain_that_two_have():
    assert (
        names_of(
            sends("acme", "@both.example"),
            sends("beta", "@both.example"),
            HostsNamed(at=AT, account="third", hosts=("smtp.third.example",)),
        ).concerned("maro@both.example", "smtp.third.example", "third")
        == Concerned()
    )


def test_a_closed_account_has_no_names():
    names = names_of(
        sends("acme", "@acme.example"),
        HostsNamed(at=AT, account="acme", hosts=("smtp.acme.example",)),
        AccountClosed(at=AT, account="acme"),
    )
    assert names.concerned("maro@acme.example", "smtp.acme.example", "") == Concerned()


def test_a_name_that_one_of_two_gives_up_is_the_others():
    names = names_of(
        HostsNamed(at=AT, account="acme", hosts=("shared.example",)),
        HostsNamed(at=AT, account="beta", hosts=("shared.example",)),
        HostsNamed(at=AT, account="acme", hosts=()),
    )
    assert names.concerned("maro", "shared.example", "") == seen_by("beta")
