"""An account is what its events say."""

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from varco_common.events import (
    AccountClosed,
    AccountOpened,
    AnyEvent,
    Choice,
    CredentialAdded,
    CredentialRemoved,
    CredentialRenamed,
    CredentialUpgraded,
    CredentialUsed,
    HostsNamed,
    Language,
    LanguageChosen,
    LanguagesChosen,
    NetworkTrusted,
    NetworkWithdrawn,
    Notice,
    NoticeWithdrawn,
    NoticeWritten,
    PasswordChanged,
    Rules,
    RulesChanged,
    SenderAuthorised,
    SenderWithdrawn,
    TimeZoneChosen,
    TokenIssued,
    TokenRevoked,
    decode_event,
    encode_event,
)
from varco_common.eventsourcing import account_texts
from varco_policy.model.account import Account
from varco_policy.model.account_projection import apply

AT = datetime(2026, 11, 2, tzinfo=UTC)
logins = st.sampled_from(["a@acme.example", "b@acme.example"])
hashes = st.sampled_from(["$6$one", "$6$two"])
patterns = st.sampled_from(["@acme.example", "a@partner.example", "@.acme.example"])
networks = st.sampled_from(["192.0.2.0/28", "2001:db8::/64"])
languages = st.sampled_from(list(Language))
notices = st.sampled_from(list(Notice))
rules = st.builds(
    Rules,
    max_size=st.integers(1, 10**9),
    max_recipients=st.integers(1, 1000),
    attachments=st.none() | st.lists(st.sampled_from(["pdf", "txt"]), unique=True).map(tuple),
    encrypted=st.sampled_from(list(Choice)),
)


def fact(kind, **fields):
    at = st.integers(0, 10**6).map(lambda seconds: AT + timedelta(seconds=seconds))
    return st.builds(kind, at=at, account=st.just("acme"), by=st.just("test"), **fields)


facts = st.one_of(
    fact(AccountOpened, language=languages),
    fact(AccountClosed),
    fact(LanguageChosen, language=languages),
    fact(LanguagesChosen, languages=st.sampled_from([(Language.IT, Language.EN), (Language.EN, Language.IT)])),
    fact(TimeZoneChosen, time_zone=st.sampled_from(["UTC", "Europe/Rome"])),
    fact(HostsNamed, hosts=st.just(("smtp.acme.example",))),
    fact(CredentialAdded, login=logins, name=st.just("x"), hash=hashes),
    fact(CredentialRenamed, login=logins, name=st.just("y")),
    fact(PasswordChanged, login=logins, hash=hashes),
    fact(CredentialUpgraded, login=logins, hash=hashes),
    fact(CredentialUsed, login=logins),
    fact(CredentialRemoved, login=logins),
    fact(SenderAuthorised, pattern=patterns),
    fact(SenderWithdrawn, pattern=patterns),
    fact(NetworkTrusted, network=networks, normalise=st.booleans(), domain=st.sampled_from(["", "acme.example"])),
    fact(NetworkWithdrawn, network=networks),
    fact(RulesChanged, rules=rules),
    fact(NoticeWritten, notice=notices, language=languages, text=st.just("{name}")),
    fact(NoticeWithdrawn, notice=notices, language=languages),
    fact(TokenIssued, token=st.just("t1"), name=st.just("partner")),
    fact(TokenRevoked, token=st.just("t1")),
)


def folded(events: list[AnyEvent], account: Account | None = None) -> Account | None:
    for event in events:
        account = apply(account, event)
    return account


@given(st.lists(facts), st.lists(facts))
def test_a_state_that_was_stored_and_went_on_is_the_one_made_from_all_events(before, after):
    stored = msgspec.json.encode(folded(before))
    loaded = msgspec.json.decode(stored, type=Account | None)
    wire = [decode_event(encode_event(event)) for event in [*before, *after]]
    assert folded(after, loaded) == folded(wire)


@given(st.lists(facts))
def test_nothing_is_known_of_an_account_before_it_is_opened_and_after_it_is_closed(events):
    closed = AccountClosed(at=AT, account="acme")
    assert folded([event for event in events if not isinstance(event, AccountOpened)]) is None
    assert folded([*events, closed]) is None


@given(st.lists(facts))
def test_a_state_is_never_changed_in_place(events):
    account = None
    for event in events:
        before = msgspec.json.encode(account)
        after = apply(account, event)
        assert msgspec.json.encode(account) == before
        account = after


@given(st.lists(facts))
def test_what_users_read_is_the_same_in_policy_as_in_other_services(events):
    texts = None
    for event in events:
        texts = account_texts.apply(texts, event)
    account = folded(events)
    assert texts is None or texts.closed if account is None else texts == account.texts


def test_opening_an_open_account_again_changes_nothing():
    opened = AccountOpened(at=AT, account="acme", language=Language.IT)
    sender = SenderAuthorised(at=AT, account="acme", pattern="@acme.example")
    assert list(folded([opened, sender, opened]).senders) == ["@acme.example"]


def test_a_late_use_of_a_removed_login_brings_nothing_back():
    opened = AccountOpened(at=AT, account="acme", language=Language.IT)
    used = CredentialUsed(at=AT, account="acme", login="a@acme.example")
    assert folded([opened, used]).credentials == {}


def test_being_used_has_a_subject_of_its_own():
    used = CredentialUsed(at=AT, account="acme", login="a.b@acme.example")
    assert used.subject == "events.policy.credential-used.acme+a%2eb@acme%2eexample"
