"""`varco queue drop --account`: as many requests as it takes."""

from varco_cli import api_client
from varco_cli.commands import queue


def _answers(monkeypatch, *answers: tuple[int, int, int]) -> None:
    given = iter([dict(zip(("mails", "left", "more"), answer, strict=True)) for answer in answers])
    monkeypatch.setattr(api_client, "call", lambda *_, **__: next(given))
    monkeypatch.setattr(queue, "_PAUSE_SECONDS", 0.0)


def test_a_request_that_drops_nothing_is_not_the_last_while_more_wait(monkeypatch):
    _answers(monkeypatch, (5_000, 7_001, 7_000), (0, 7_001, 7_000), (5_000, 2_001, 2_000), (2_000, 1, 0))
    assert queue._drop_all("acme", "stolen") == {"mails": 12_000, "left": 1, "more": 0}


def test_what_is_being_tried_is_not_asked_for_again(monkeypatch):
    _answers(monkeypatch, (3, 2, 0))
    assert queue._drop_all("acme", "stolen") == {"mails": 3, "left": 2, "more": 0}


def test_mail_that_more_requests_would_drop_is_told_from_mail_that_is_being_tried(capsys):
    queue._print_dropped({"mails": 5_000, "left": 7_001, "more": 7_000}, "acme")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["5000 mails are dropped", "7000 more wait: type it again"]
    assert lines[2].startswith("1 are being tried, or their route is up: hold all mail")
