"""Routes and queued mails, folded from events."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from varco_common.events import (
    AccountOpened,
    Blackhole,
    DirectDelivery,
    Failure,
    Language,
    MailBounced,
    MailDeferred,
    MailDelivered,
    MailDropped,
    MailExpired,
    MailHeld,
    MailReleased,
    MailRetryRequested,
    RouteFailed,
    RouteRecovered,
    RouteRemoved,
    RouteRule,
    RouteRulesSet,
    RouteSet,
    SenderNotified,
    Smarthost,
    TlsUse,
)
from varco_relay import past_settings
from varco_relay.model import account_route, queue
from varco_relay.settings import Settings

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


def test_an_accounts_route_is_folded_from_events():
    state = account_route.apply(None, AccountOpened(at=NOW, account="acme", language=Language.IT))
    assert state == account_route.AccountRoute(account="acme")
    state = account_route.apply(state, RouteSet(at=NOW, account="acme", route=Blackhole()))
    state = account_route.apply(state, RouteFailed(at=NOW, account="acme", host="h", why="refused"))
    assert state is not None
    assert (state.route, state.failed) == (Blackhole(), "refused")
    state = account_route.apply(state, RouteRecovered(at=NOW, account="acme", host="h"))
    state = account_route.apply(state, RouteRemoved(at=NOW, account="acme"))
    assert state == account_route.AccountRoute(account="acme")


ABOUT = {"at": NOW, "account": "acme", "mail": "m1", "sequence": 7}


def failure(recipient: str, status="4.2.2", answer="452 4.2.2 full") -> Failure:
    return Failure(recipient=recipient, status=status, answer=answer)


def deferred(*recipients: str, attempt=1, **more) -> MailDeferred:
    failures = tuple(failure(r) for r in recipients)
    about = {"sender": "alice@acme.example", "size": 9, "accepted_at": NOW, "next_at": NOW + timedelta(minutes=attempt)}
    return MailDeferred(**ABOUT | about | {"failures": failures, "host": "h:25", "attempt": attempt} | more)


def fold(*events):
    state = None
    for event in events:
        state = queue.apply(state, event)
    return state


def test_a_deferred_mail_waits_until_every_recipient_is_final():
    later = {"recipients": ("b",), "host": "h:25", "answer": "250 ok", "attempt": 2}
    state = fold(deferred("a", "b"), MailDelivered(**ABOUT, **later))
    assert state is not None
    assert state.recipients == ("a",)
    assert queue.apply(state, MailDropped(**ABOUT, recipients=("a",))) is None


def test_a_first_delivery_is_no_business_of_the_queue():
    assert fold(MailDelivered(**ABOUT, recipients=("b",), host="h:25", answer="250 ok")) is None


def test_a_hold_keeps_a_mail_back_until_its_release():
    state = fold(deferred("a"), MailHeld(**ABOUT))
    assert state is not None
    assert (state.due, state.attempts_due(NOW + timedelta(days=1))) == (None, ())
    state = queue.apply(state, MailReleased(**ABOUT))
    assert state is not None
    assert state.attempts_due(NOW)


def test_a_hurried_mail_is_due_now():
    state = fold(deferred("a"), MailRetryRequested(**ABOUT))
    assert state is not None
    assert state.due == NOW


@pytest.mark.parametrize("kind", [MailBounced, MailExpired])
def test_a_notification_is_owed_until_it_is_written(kind):
    failed = kind(**ABOUT, failures=(failure("a"),), host="h:25", sender="alice@acme.example", dsn="d1")
    state = fold(deferred("a"), failed)
    assert state is not None
    assert [dsn.dsn for dsn in state.owed] == ["d1"]
    assert state.due == NOW
    assert queue.apply(state, SenderNotified(**ABOUT, dsn="d1")) is None
    assert fold(failed, SenderNotified(**ABOUT, dsn="d1")) is None


def test_no_notification_is_owed_to_a_null_sender():
    assert fold(MailBounced(**ABOUT, failures=(failure("a"),), host="h:25")) is None


def test_snapshots_of_earlier_versions_stay_readable():
    """As the `states` table of a running gate has them."""
    mail = (
        b'{"account":"acme","mail":"m1","sequence":7,"sender":"alice@acme.example","size":9,'
        b'"accepted_at":"2026-11-24T09:00:00Z","next_at":"2026-11-24T09:02:00Z","attempt":1,"host":"h:25",'
        b'"failures":[{"recipient":"a","status":"4.2.2","answer":"452 4.2.2 full"}],"held":true,'
        b'"owed":[{"dsn":"d1","failures":[],"host":"h:25","since":"2026-11-24T09:00:00Z","expired":true}]}'
    )
    state = msgspec.json.decode(mail, type=queue.QueuedMail)
    assert (state.recipients, state.held, state.owed[0].dsn, state.due) == (("a",), True, "d1", NOW)
    route = (
        b'{"account":"acme","route":{"type":"smarthost","host":"h","port":25,"secret":"x"},"failed":"refused",'
        b'"learned":{"type":"route.learned.v1","at":"2026-11-24T09:00:00Z","account":"acme","host":"h:25"}}'
    )
    account = msgspec.json.decode(route, type=account_route.AccountRoute)
    assert isinstance(account.route, Smarthost)
    assert (account.route.secret, account.failed, account.learned is not None) == ("x", "refused", True)


def test_a_past_state_shows_where_an_accounts_mail_went():
    view = past_settings.settings_view(Settings())
    view.begin("acme", NOW, own=False)
    view.apply(1, RouteSet(at=NOW, account="acme", route=Blackhole()))
    assert view.sections("acme") == {"route": {"to": "blackhole"}}
    smarthost = Smarthost(host="h", port=25, login="l", secret="x")
    view.apply(2, RouteSet(at=NOW, account="acme", route=smarthost))
    assert view.sections("acme") == {"route": {"smarthost": "h:25", "tls": "opportunistic", "login": "l"}}


def test_a_past_state_shows_the_routes_of_some_mail():
    view = past_settings.settings_view(Settings())
    view.begin("acme", NOW, own=False)
    rule = RouteRule(recipients=("@partner.example",), route=DirectDelivery(tls=TlsUse.REQUIRED))
    view.apply(1, RouteRulesSet(at=NOW, account="acme", rules=(rule,)))
    section = {"recipients": ["@partner.example"], "to": "mx", "tls": "required"}
    assert view.sections("acme") == {"route": {}, "routes": {"recipients @partner.example": section}}


def test_each_delivery_of_a_mail_waits_by_itself():
    later = NOW + timedelta(minutes=5)
    other = deferred("b", host="two:25", next_at=later, route="recipients b", attempt=3)
    first = (deferred("a", host="one:25", next_at=NOW), other)
    state = fold(*first)
    assert state is not None
    waiting = [(each.host, each.route, each.recipients, each.attempt, each.next_at) for each in state.waiting]
    assert waiting == [("one:25", "", ("a",), 1, NOW), ("two:25", "recipients b", ("b",), 3, later)]
    assert (state.recipients, state.host, state.due) == (("a", "b"), "one:25", NOW)
    assert [each.host for each in state.attempts_due(NOW)] == ["one:25"]
    hurried = fold(*first, MailRetryRequested(**ABOUT))
    assert hurried is not None
    assert [each.host for each in hurried.attempts_due(NOW)] == ["one:25", "two:25"]
    moved = fold(*first, deferred("a", host="two:25", next_at=later))
    assert moved is not None
    assert [each.recipients for each in moved.waiting] == [("b",), ("a",)]
    sent = MailDelivered(**ABOUT, recipients=("b",), host="two:25", answer="250 ok", attempt=4)
    assert fold(*first, sent, MailDropped(**ABOUT, recipients=("a",))) is None


def test_a_snapshot_of_an_earlier_version_is_read_and_may_be_read_by_it_again():
    failures = [{"recipient": "a", "status": "4.2.2", "answer": "full"}]
    old = {"account": "acme", "mail": "m1", "sequence": 7, "next_at": NOW, "attempt": 2, "host": "one:25"}
    state = msgspec.convert(old | {"failures": failures}, queue.QueuedMail)
    (delivery,) = state.waiting
    assert (delivery.host, delivery.recipients, delivery.attempt, delivery.next_at) == ("one:25", ("a",), 2, NOW)
    after = queue.apply(state, deferred("b", host="two:25", next_at=NOW + timedelta(minutes=5)))
    written = msgspec.to_builtins(after, builtin_types=(datetime,))
    assert [failure["recipient"] for failure in written["failures"]] == ["a", "b"]
    assert (written["host"], written["next_at"]) == ("one:25", NOW)
