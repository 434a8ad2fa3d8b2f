"""What a command changes, and when it is refused."""

from datetime import UTC, datetime

import pytest

from varco_common.base.errors import NotFound, RefusedCommand, TransientError
from varco_common.events import (
    Failure,
    MailDropped,
    MailHeld,
    MailReleased,
    MailRetryRequested,
    RouteSet,
    Smarthost,
    TlsUse,
)
from varco_common.eventsourcing.commands import CommandContext
from varco_relay.commands import drop_mail, hold_mail, release_mail, retry_mail
from varco_relay.model import account_route
from varco_relay.model.queue import QueuedMail
from varco_relay.route_commands import remove_route, set_route
from varco_relay.route_requests import HopRequest, RouteFreedom
from varco_relay.secret_box import SecretBox

CONTEXT = CommandContext("acme", datetime(2026, 11, 24, 9, tzinfo=UTC), "admin", "as asked")
REQUEST = HopRequest("mx.example:587", TlsUse.REQUIRED, "acme", "s3cret")


@pytest.fixture
def secret_box(tmp_path) -> SecretBox:
    return SecretBox.from_file(tmp_path / "key")


def changed(state, request, secret_box) -> list[str]:
    return [change.line for change in set_route(state, CONTEXT, request, secret_box)]


def state_with(request, secret_box) -> account_route.AccountRoute:
    (change,) = set_route(None, CONTEXT, request, secret_box)
    state = account_route.apply(None, change.event)
    assert state is not None
    return state


@pytest.mark.parametrize("kept", [0, 20])
def test_a_damaged_key_is_not_replaced(tmp_path, kept):
    """Another key decrypts no password: an operator must decide."""
    SecretBox.from_file(tmp_path / "key")
    cut = (tmp_path / "key").read_bytes()[:kept]
    (tmp_path / "key").write_bytes(cut)
    with pytest.raises(ValueError, match=r"Fernet|padding|decod|32"):
        SecretBox.from_file(tmp_path / "key")
    assert (tmp_path / "key").read_bytes() == cut


def test_the_same_route_again_changes_nothing(secret_box):
    assert changed(None, REQUEST, secret_box) == ["+ route mx.example:587 tls required as acme"]
    state = state_with(REQUEST, secret_box)
    assert changed(state, REQUEST, secret_box) == []
    assert changed(state, REQUEST._replace(password=None), secret_box) == []
    assert changed(state, REQUEST._replace(password="other"), secret_box) == ["~ route password changed"]
    hole = "~ route mx.example:587 tls required as acme -> blackhole"
    assert changed(state, "blackhole", secret_box) == [hole]
    assert changed(state_with("blackhole", secret_box), "blackhole", secret_box) == []


def test_a_password_is_never_in_an_event(secret_box, tmp_path):
    (change,) = set_route(None, CONTEXT, REQUEST, secret_box)
    assert isinstance(change.event, RouteSet)
    assert isinstance(change.event.route, Smarthost)
    assert "s3cret" not in repr(change)
    assert secret_box.decrypt(change.event.route.secret) == "s3cret"
    with pytest.raises(TransientError):
        SecretBox.from_file(tmp_path / "other").decrypt(change.event.route.secret)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_login_needs_its_password_and_a_password_its_login(secret_box):
    with pytest.raises(RefusedCommand):
        set_route(None, CONTEXT, REQUEST._replace(password=None), secret_box)
    with pytest.raises(RefusedCommand):
        set_route(None, CONTEXT, REQUEST._replace(login=""), secret_box)
    with pytest.raises(NotFound):
        remove_route(None, CONTEXT)


@pytest.mark.parametrize(
    "change", [{"smarthost": "evil.example:587"}, {"smarthost": "mx.example:25"}, {"login": "other"}]
)
def test_another_smarthost_doesnt_get_the_old_ones_password(secret_box, change):
    state = state_with(REQUEST, secret_box)
    with pytest.raises(RefusedCommand):
        set_route(state, CONTEXT, REQUEST._replace(password=None, **change), secret_box)


def test_a_route_without_a_login_forgets_the_password(secret_box):
    state = state_with(REQUEST, secret_box)
    (change,) = set_route(state, CONTEXT, REQUEST._replace(login="", password=None), secret_box)
    assert isinstance(change.event, RouteSet)
    assert isinstance(change.event.route, Smarthost)
    assert change.event.route.secret == ""


def test_a_password_that_another_key_encrypted_is_encrypted_anew(secret_box, tmp_path):
    state = state_with(REQUEST, SecretBox.from_file(tmp_path / "lost"))
    (change,) = set_route(state, CONTEXT, REQUEST, secret_box)
    assert isinstance(change.event, RouteSet)
    assert isinstance(change.event.route, Smarthost)
    assert secret_box.decrypt(change.event.route.secret) == "s3cret"


QUEUED = QueuedMail(
    account="acme",
    mail="m1",
    sequence=7,
    failures=(Failure(recipient="bob@x.example", status="4.2.2", answer="452 4.2.2 full"),),
)
HELD = QueuedMail(account="acme", mail="m1", sequence=7, failures=QUEUED.failures, held=True)


def test_commands_for_queued_mails_name_the_mail_and_who_asked():
    for command, state, kind in (
        (retry_mail, QUEUED, MailRetryRequested),
        (hold_mail, QUEUED, MailHeld),
        (release_mail, HELD, MailReleased),
        (drop_mail, HELD, MailDropped),
    ):
        event = command(state, CONTEXT)
        assert isinstance(event, kind)
        assert (event.mail, event.sequence, event.by, event.reason) == ("m1", 7, "admin", "as asked")


def test_only_a_held_mail_is_released_and_only_a_free_one_retried():
    with pytest.raises(RefusedCommand):
        release_mail(QUEUED, CONTEXT)
    with pytest.raises(RefusedCommand):
        retry_mail(HELD, CONTEXT)
    assert hold_mail(HELD, CONTEXT) is None


def public_only(state, request, secret_box, freedom: RouteFreedom) -> list[bool]:
    changes = set_route(state, CONTEXT, request, secret_box, freedom)
    return [change.event.route.public_only for change in changes]


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "[::1]", "localhost", "nats"])
def test_an_account_sets_no_route_to_a_private_address_unless_that_is_allowed(secret_box, host):
    request = HopRequest(f"{host}:25", TlsUse.NONE)
    with pytest.raises(RefusedCommand, match="only an operator may set such a route"):
        set_route(None, CONTEXT, request, secret_box, RouteFreedom.PUBLIC)
    assert public_only(None, request, secret_box, RouteFreedom.ANY) == [False]
    assert public_only(None, request, secret_box, RouteFreedom.WHILE_ALLOWED) == [True]


def test_a_route_that_an_account_set_is_checked_when_connecting(secret_box):
    assert public_only(None, REQUEST, secret_box, RouteFreedom.PUBLIC) == [True]


def test_an_account_keeps_the_private_host_that_an_operator_chose(secret_box):
    request = HopRequest("127.0.0.1:25", TlsUse.NONE)
    state = state_with(request, secret_box)
    assert set_route(state, CONTEXT, request, secret_box, RouteFreedom.PUBLIC) == []
    assert public_only(state, request._replace(tls=TlsUse.OPPORTUNISTIC), secret_box, RouteFreedom.PUBLIC) == [False]
    with pytest.raises(RefusedCommand):
        set_route(state, CONTEXT, request._replace(smarthost="127.0.0.1:26"), secret_box, RouteFreedom.PUBLIC)


def test_an_operator_who_sets_the_route_of_an_account_again_vouches_for_it(secret_box):
    (change,) = set_route(None, CONTEXT, REQUEST, secret_box, RouteFreedom.PUBLIC)
    state = account_route.apply(None, change.event)
    (change,) = set_route(state, CONTEXT, REQUEST, secret_box)
    assert change.line == "~ route may be a private address"
