"""Each attempt is one log line that says what the next hop answered."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from varco_common.base import log
from varco_common.events import Failure, MailDeferred, MailDelivered
from varco_relay.outcome_log import log_outcome

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
COMMON: dict[str, Any] = {"at": NOW, "account": "acme", "mail": "m1", "sequence": 1, "host": "mx.test:25"}


@pytest.fixture
def lines() -> Callable[[], list[dict[str, Any]]]:
    stream = io.StringIO()
    log.configure("info", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_delivery_names_recipients_next_hop_and_its_words(lines: Callable[[], list[dict[str, Any]]]) -> None:
    log_outcome(MailDelivered(**COMMON, recipients=("bob@dest.test",), answer="250 2.0.0 queued as 7", tls="TLSv1.3"))
    [line] = lines()
    assert (line["event"], line["mail"], line["next_hop"]) == ("delivered", "m1", "mx.test:25")
    assert (line["recipients"], line["answer"]) == (["bob@dest.test"], "250 2.0.0 queued as 7")


def test_a_deferral_has_each_recipients_answer_and_when_it_goes_on(lines: Callable[[], list[dict[str, Any]]]) -> None:
    failures = tuple(
        Failure(recipient=f"r{number}@dest.test", status="4.7.1", answer="450 greylisted") for number in range(30)
    )
    log_outcome(MailDeferred(**COMMON, failures=failures, sender="a@acme.test", size=1, accepted_at=NOW, next_at=NOW))
    [line] = lines()
    assert (line["event"], line["count"], len(line["failures"])) == ("deferred", 30, 20)
    assert line["failures"][0] == ["r0@dest.test", "450 greylisted"]
    assert line["next_at"] == "2026-11-29T12:00:00Z"
