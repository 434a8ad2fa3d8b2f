"""Routes as account files write them, and which of them a mail takes."""

from datetime import UTC, datetime

import pytest

from varco_common.base.errors import RefusedCommand
from varco_common.events import RouteRulesSet, RouteSet, Smarthost, Smarthosts
from varco_common.eventsourcing.commands import CommandContext
from varco_relay.api.route_patches import patched_route, patched_rules
from varco_relay.model import account_route, route_rules
from varco_relay.route_commands import set_route, set_rules
from varco_relay.route_document import route_section, rules_section
from varco_relay.route_requests import RouteFreedom
from varco_relay.secret_box import SecretBox

CONTEXT = CommandContext("acme", datetime(2026, 11, 29, 9, tzinfo=UTC), "admin", "")
LOGIN = {"login": "acme", "password": "s3cret"}
PARTNER = {"recipients": ["@partner.example"], "smarthost": "mx.partner.example:25", "tls": "required"}
NEWS = {"senders": ["@news.acme.example"], "to": "mx"}


@pytest.fixture
def secret_box(tmp_path) -> SecretBox:
    return SecretBox.from_file(tmp_path / "key")


def route_of(document, secret_box, before=None, freedom=RouteFreedom.ANY):
    """The route after a patch of `before`, and the line of the change."""
    request = patched_route(before, document)
    assert request
    state = account_route.AccountRoute(account="acme", route=before)
    (change,) = set_route(state, CONTEXT, request, secret_box, freedom)
    assert isinstance(change.event, RouteSet)
    return change.event.route, change.line


def rules_of(document, secret_box, before=None, freedom=RouteFreedom.ANY):
    """The state after a patch, and the change."""
    requests = patched_rules(before.rules if before else (), document)
    (change,) = set_rules(before, CONTEXT, requests, secret_box, freedom)
    assert isinstance(change.event, RouteRulesSet)
    state = route_rules.apply(before, change.event)
    assert state is not None
    return state, change


@pytest.mark.parametrize(
    "document",
    [
        "mx",
        "blackhole",
        {"to": "mx", "tls": "required", "families": "ipv4", "source": ["192.0.2.10"]},
        {"smarthost": "mx.example:587", "tls": "none"},
        {"smarthost": "mx:provider.example", "tls": "opportunistic"},
        {"smarthost": "mx:provider.example:587", "tls": "opportunistic"},
        {"smarthosts": ["a.example:25", "b.example:25"], "tls": "required"},
        {"smarthosts": ["a.example:25", "mx:b.example"], "balance": True, "tls": "none"},
        {"smarthosts": ["a.example:25", {"smarthost": "b.example:25", "tls": "none"}], "tls": "required"},
    ],
)
def test_a_route_is_shown_as_it_was_written(document, secret_box):
    route, _ = route_of(document, secret_box)
    assert route_section(route) == document


def test_one_login_holds_for_the_next_hops_that_are_only_named(secret_box):
    entry = {"smarthost": "c.example:25", "login": "other", "password": "secret 2"}
    route, line = route_of({"smarthosts": ["a.example:25", "b.example:25", entry], **LOGIN}, secret_box)
    assert isinstance(route, Smarthosts)
    passwords = [(hop.login, secret_box.decrypt(hop.secret)) for hop in route.hops]
    assert passwords == [("acme", "s3cret"), ("acme", "s3cret"), ("other", "secret 2")]
    assert "s3cret" not in line
    assert line.startswith("+ route") or "a.example:25" in line


def test_a_password_stays_with_its_host_and_is_sent_to_no_other(secret_box):
    route, _ = route_of({"smarthost": "a.example:25", **LOGIN}, secret_box)
    with pytest.raises(RefusedCommand, match="a login needs its password"):
        route_of({"smarthosts": ["a.example:25", "b.example:25"]}, secret_box, route)
    both, line = route_of({"smarthosts": ["a.example:25", "b.example:25"], "password": "s3cret"}, secret_box, route)
    assert line == (
        "~ route a.example:25 tls opportunistic as acme -> "
        "a.example:25 tls opportunistic as acme, else b.example:25 tls opportunistic as acme"
    )
    swapped, _ = route_of({"smarthosts": ["b.example:25", "a.example:25"]}, secret_box, both)
    assert swapped.hops == tuple(reversed(both.hops))
    alone, _ = route_of({"smarthost": "b.example:25"}, secret_box, both)
    assert alone == both.hops[1]


def test_another_kind_of_route_leaves_the_login_behind(secret_box):
    route, _ = route_of({"smarthost": "a.example:25", "tls": "required", **LOGIN}, secret_box)
    direct, _ = route_of({"to": "mx"}, secret_box, route)
    assert route_section(direct) == "mx"


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"tls": "required"}, "smarthost is missing"),
        ({"smarthost": "a:25", "to": "mx"}, "needs one of"),
        ({"smarthost": "a:25", "balance": True}, "balance has no meaning beside smarthost"),
        ({"smarthost": "a:25", "source": ["192.0.2.1"]}, "source has no meaning"),
        ({"smarthosts": ["a:25"], "families": "ipv4"}, "families has no meaning"),
        ({"to": "mx", "login": "acme"}, "login has no meaning beside to"),
        ({"to": "mx", "source": ["here"]}, "expected addresses of this gate"),
        ({"to": "mx", "source": ["192.0.2.1", "192.0.2.2"]}, "one IPv4 and one IPv6 address at most"),
        ({"smarthosts": ["a:25", "a:25"]}, "a:25 is in the list twice"),
        ({"smarthost": "mx:192.0.2.1"}, "expected a name after mx:"),
        ({"smarthosts": ["a:25", "b:x"]}, "expected a next hop as host:port"),
    ],
)
def test_a_route_that_makes_no_sense_is_refused(document, why, secret_box):
    with pytest.raises(RefusedCommand, match=why):
        route_of(document, secret_box)


def test_an_account_chooses_neither_private_hosts_nor_the_gates_addresses(secret_box):
    for document in ({"smarthosts": ["mx.example:25", "127.0.0.1:25"]}, {"to": "mx", "source": ["192.0.2.1"]}):
        with pytest.raises(RefusedCommand, match="only an operator"):
            route_of(document, secret_box, freedom=RouteFreedom.PUBLIC)
    operators, _ = route_of({"to": "mx", "source": ["192.0.2.1"]}, secret_box)
    theirs, _ = route_of({"to": "mx", "tls": "required"}, secret_box, operators, RouteFreedom.PUBLIC)
    assert theirs.source == ("192.0.2.1",)


def test_the_first_rule_that_covers_sender_and_recipient_holds(secret_box):
    both = {"senders": ["a@news.acme.example"], "recipients": ["@partner.example"], "to": "blackhole"}
    state, _ = rules_of([both, NEWS, PARTNER], secret_box)
    assert rules_section(state.rules) == [both, NEWS, PARTNER]

    place = state.first
    assert place("A@News.acme.example", "x@partner.example") == 0
    assert place("b@news.acme.example", "x@partner.example") == 1
    assert place("b@acme.example", "x@PARTNER.example") == 2
    assert place("b@acme.example", "x@sub.partner.example") is None
    assert place("", "x@partner.example") == 2  # a notification has no sender
    assert place("", "x@other.example") is None


def test_the_difference_names_each_rule_that_changes(secret_box):
    first, change = rules_of([PARTNER, NEWS], secret_box)
    assert change.line == (
        "+ routes recipients @partner.example: mx.partner.example:25 tls required; "
        "senders @news.acme.example: mx tls opportunistic"
    )
    second, change = rules_of([{**PARTNER, "tls": "none"}], secret_box, first)
    assert change.removes == ("the route of senders @news.acme.example",)
    assert change.line == (
        "~ routes recipients @partner.example: mx.partner.example:25 tls required -> mx.partner.example:25 tls none; "
        "senders @news.acme.example: removed"
    )
    _, change = rules_of(None, secret_box, second)
    assert change.line == "- routes recipients @partner.example: removed"
    assert rules_of([NEWS, PARTNER], secret_box, first)[1].line == "~ routes in another order"


def test_what_an_entry_leaves_out_stays(secret_box):
    state, _ = rules_of([{**PARTNER, **LOGIN}], secret_box)
    changed, _ = rules_of([{"recipients": ["@Partner.example"], "tls": "opportunistic"}], secret_box, state)
    route = changed.rules[0].route
    assert isinstance(route, Smarthost)
    assert (route.login, secret_box.decrypt(route.secret), str(route.tls)) == ("acme", "s3cret", "opportunistic")


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ([{"to": "mx"}], "needs senders or recipients"),
        ([{"senders": ["acme.example"], "to": "mx"}], "covers no address"),
        ([{"senders": ["@"], "to": "mx"}], "covers no address"),
        ([PARTNER, PARTNER], "the second would never hold"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(document, why, secret_box):
    with pytest.raises(RefusedCommand, match=why):
        rules_of(document, secret_box)
