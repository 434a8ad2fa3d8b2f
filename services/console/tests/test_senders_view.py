"""An account's senders: filtered, in pages, and a list that is imported."""

from datetime import UTC, datetime

import pytest

from varco_common.base.errors import RefusedCommand
from varco_common.events import PersonRole
from varco_console.html_pages.senders.sender_import import MAX_LINES, Rejected, read_senders
from varco_console.html_pages.senders.view import PAGE, SenderTest, matching, sender_list
from varco_console.model import Person
from varco_console.web.formula_marks import as_text

NOW = "2026-11-29T12:00:00+00:00"
OWNER = Person(name="ugo", role=PersonRole.OWNER, account="acme", added_at=datetime.now(UTC))


def entries(*patterns: str) -> list[dict]:
    return [{"pattern": pattern, "since": NOW} for pattern in patterns]


def test_senders_are_in_the_order_of_domains_and_filtered_by_any_part():
    found = matching(entries("b@z.example", "@a.example", "a@a.example", "@.a.example"), " A.example ")
    assert [sender.pattern for sender in found] == ["@a.example", "@.a.example", "a@a.example"]


def test_a_long_list_has_pages():
    senders = matching(entries(*(f"s{number:04}@acme.example" for number in range(PAGE + 1))), "")
    first = sender_list(OWNER, "acme", senders, {"filter": "s0", "start": 0}, SenderTest())
    assert (len(first.senders), first.total, first.next) == (PAGE, PAGE + 1, f"filter=s0&start={PAGE}")
    last = sender_list(OWNER, "acme", senders, {"filter": "s0", "start": PAGE}, SenderTest())
    assert (len(last.senders), last.next) == (1, "")


def test_an_import_says_what_is_new_known_repeated_and_wrong_with_its_line():
    text = (
        "\ufeffSender;Since\n@new.example;2026\n# ours\n\nBOSS@acme.example\nno sender\n'@new.example\nnews@new.example"
    )
    content = read_senders(text, {"boss@acme.example"})
    assert content.new == {"@new.example": 2, "news@new.example": 8}
    assert content.known == ("boss@acme.example",)
    assert content.repeated == 1
    assert [(entry.line, entry.text) for entry in content.rejected] == [(6, "no sender")]
    assert "is no sender: write a@acme.example" in content.rejected[0].why


def test_what_policy_refuses_is_left_out_with_its_line():
    content = read_senders("@a.example\n@gmail.com\nnonsense", set()).without([("@gmail.com", "only an admin")])
    assert content.new == {"@a.example": 1}
    assert content.rejected[0] == Rejected(2, "@gmail.com", "only an admin")
    assert content.rejected[1].line == 3


def test_a_quoted_cell_and_commas_are_read():
    assert [*read_senders('"a@acme.example","boss, the"\n"@b.example",x', ()).new] == ["a@acme.example", "@b.example"]


def test_an_endless_line_is_one_wrong_line():
    content = read_senders("x" * 200_000 + "\na@acme.example," + "x" * 200_000, ())
    assert [entry.line for entry in content.rejected] == [1]
    assert [*content.new] == ["a@acme.example"]


@pytest.mark.parametrize("sender", ["'o@acme.example", "+o@acme.example", "@acme.example"])
def test_an_exported_sender_is_imported_as_it_was(sender):
    assert [*read_senders(as_text(sender), ()).new] == [sender]


def test_an_endless_list_is_refused():
    with pytest.raises(RefusedCommand, match="at most"):
        read_senders("@a.example\n" * (MAX_LINES + 1), ())
