"""A file applied leads to what it says, in one go."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_common.base.errors import RefusedCommand
from varco_common.events import Language, Notice, Rules
from varco_common.eventsourcing.commands import CommandContext
from varco_policy.commands import AttachmentExceptionRequest
from varco_policy.desired_state import DesiredAccount, DesiredNetwork, DesiredUser, Owners, changes_to
from varco_policy.model.account_projection import apply

CONTEXT = CommandContext("acme", datetime(2026, 11, 2, tzinfo=UTC), "token:test")
NOBODY = Owners(login=lambda _: None, network=lambda _: None)

logins = st.sampled_from(["alice", "bob", "carol"])
texts = st.dictionaries(st.sampled_from(list(Language)), st.sampled_from(["one", "two"]), min_size=1)
patterns = st.sampled_from(["a@acme.example", "@acme.example"])
exceptions = st.tuples(
    st.none() | st.just(("zip",)),
    st.none() | st.just(datetime(2099, 1, 1, tzinfo=UTC)),
    st.sampled_from(["one", "two"]),
)


def with_patterns(entries):
    return {pattern: AttachmentExceptionRequest(pattern, *entry) for pattern, entry in entries.items()}


files = st.builds(
    DesiredAccount,
    languages=st.none() | st.lists(st.sampled_from(list(Language)), min_size=1, unique=True).map(tuple),
    time_zone=st.none() | st.sampled_from(["UTC", "Europe/Rome"]),
    hosts=st.none() | st.sampled_from([(), ("smtp.acme.example",), ("a.example", "b.example")]),
    users=st.none() | st.dictionaries(logins, st.builds(DesiredUser, st.none() | st.just("x"), st.just("$6$hash"))),
    senders=st.none() | st.lists(st.sampled_from(["@a.example", "b@c.example", "@.d.example"]), unique=True).map(tuple),
    networks=st.none()
    | st.dictionaries(st.sampled_from(["192.0.2.0/28", "::1/128"]), st.builds(DesiredNetwork, st.booleans())),
    rules=st.none() | st.builds(Rules, max_size=st.integers(1, 9), attachments=st.none() | st.just(("pdf",))),
    exceptions=st.none() | st.dictionaries(patterns, exceptions).map(with_patterns),
    notices=st.none() | st.dictionaries(st.sampled_from(list(Notice)), texts),
)


def applied(account, desired):
    for change in changes_to(desired, account, CONTEXT, NOBODY):
        account = apply(account, change.event)
    return account


def with_same_passwords(desired):
    """The same file, with passwords that are right already."""
    users = desired.users and {login: DesiredUser(user.name, None) for login, user in desired.users.items()}
    return DesiredAccount(
        **{name: getattr(desired, name) for name in DesiredAccount.__struct_fields__} | {"users": users}
    )


@given(st.none() | files, files)
def test_a_file_applied_again_changes_nothing(before, desired):
    account = applied(applied(None, before) if before else None, desired)
    assert changes_to(with_same_passwords(desired), account, CONTEXT, NOBODY) == []


@given(files, files)
def test_what_a_file_leaves_out_is_left_as_it_is(before, desired):
    old = applied(None, before)
    new = applied(old, desired)
    sections = {"users": "credentials"} | {name: name for name in DesiredAccount.__struct_fields__ if name != "users"}
    for section, attribute in sections.items():
        if getattr(desired, section) is None:
            assert getattr(new, attribute) == getattr(old, attribute)


@given(files)
def test_what_a_file_says_is_so(desired):
    account = applied(None, desired)
    assert desired.senders is None or {*account.senders} == {*desired.senders}
    assert (
        desired.networks is None
        or {network.network: (network.normalise, network.domain) for network in account.networks.values()}
        == desired.networks
    )
    assert desired.users is None or account.credentials.keys() == desired.users.keys()
    assert desired.notices is None or account.notices == desired.notices
    assert account.rules == (desired.rules or Rules())
    excepted = {
        name: AttachmentExceptionRequest(name, one.attachments, one.until, one.reason)
        for name, one in account.exceptions.items()
    }
    assert excepted == (desired.exceptions or {})


def test_a_login_or_network_of_another_account_is_refused_before_any_event():
    theirs = Owners(login=lambda _: "other", network=lambda _: "other")
    for desired in (
        DesiredAccount(users={"alice": DesiredUser(None, "$6$hash")}),
        DesiredAccount(networks={"192.0.2.0/28": DesiredNetwork()}),
    ):
        with pytest.raises(RefusedCommand, match="account"):
            changes_to(desired, None, CONTEXT, theirs)
