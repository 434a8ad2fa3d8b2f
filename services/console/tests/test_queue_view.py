"""The queue says why each mail waits, and which routes take none."""

from varco_console.html_pages.queue.view import QueueQuestion, queue_page

UNTRIED = {
    "mail": "06a",
    "account": "acme",
    "sender": "",
    "recipients": ["a@x.example", "b@x.example"],
    "size": 9,
    "accepted_at": "2026-11-29T12:00:00Z",
    "next_hop": "mx:25",
    "waits_for": "held by hand",
}
DEFERRED = {
    "mail": "06b",
    "account": "acme",
    "sender": "alice@acme.example",
    "accepted_at": None,
    "next_at": "2026-11-29T13:00:00Z",
    "attempts": 2,
    "next_hop": "mx:25",
    "held": False,
    "failures": [{"recipient": "c@x.example", "status": "4.7.1", "answer": "451 4.7.1 greylisted"}],
}
ROUTES = {"routes": [{"account": "acme", "state": "held"}], "next": "1 beta", "total": 9}


def page(question: QueueQuestion):
    answer = {"mails": [DEFERRED], "untried_mails": [UNTRIED], "total": 7, "untried": 1, "next": "06b"}
    return queue_page(question, answer, ROUTES, ["acme"])


def test_each_mail_has_its_reason_and_those_without_an_attempt_come_first():
    first, second = page(QueueQuestion()).mails
    assert (first.why, first.recipients, first.sender, first.attempts) == ("held by hand", "a@x.example +1", "<>", 0)
    assert (second.why, second.recipients, second.attempts) == ("451 4.7.1 greylisted", "c@x.example", 2)


def test_a_mail_that_is_being_tried_is_not_offered_to_be_dropped():
    untried, deferred = page(QueueQuestion()).mails
    assert untried.may_be_dropped
    assert deferred.may_be_dropped
    assert not untried._replace(why="").may_be_dropped


def test_links_to_other_pages_keep_the_filters():
    view = page(QueueQuestion("acme", "no"))
    assert view.next == "account=acme&held=no&cursor=06b"
    assert view.next_routes == "account=acme&held=no&routes=1+beta"


def test_all_mail_of_the_account_that_is_shown_is_held():
    assert page(QueueQuestion("acme")).route["state"] == "held"
    assert page(QueueQuestion()).route is None


def test_a_filter_that_is_unknown_filters_nothing():
    assert QueueQuestion(held="nonsense").parameters()["held"] is None
    assert QueueQuestion(held="no").parameters()["held"] is False
