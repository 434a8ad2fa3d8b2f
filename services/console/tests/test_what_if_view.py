"""What a changed file would have done, as far as it is known."""

import pytest

from varco_console.html_pages.account.what_if import (
    SHOWN,
    ExampleMail,
    OutcomeCount,
    WhatIfProgress,
    digest,
    shortened,
    what_if,
)
from varco_console.web.job_state import JobState

FILE = digest("account: acme")
DONE = {
    "line": "done",
    "file": FILE,
    "mails": 7,
    "outcomes": {"would be refused": 3},
    "rules": {"policy: too-big": {"would be refused": 3}},
    "examples": [
        {
            "line": "mail",
            "outcome": "would be refused",
            "mail": {
                "id": "m1",
                "sequence": 7,
                "at": "2026-11-02T09:30:15Z",
                "account": "acme",
                "sender": "",
                "recipients": 3,
            },
            "voter": "policy",
            "rule": "too-big",
            "reason": "2 MB, at most 1 MB",
            "before": "accepted",
            "after": "too-big",
        }
    ],
    "senders": {"a@a.example": {"would be refused": 1}, "b@a.example": {"would be refused": 2}},
}


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (None, WhatIfProgress("none", FILE)),
        (JobState(), WhatIfProgress("running", FILE)),
        (JobState({"line": "progress", "file": FILE, "part": 0.456, "mails": 5}), WhatIfProgress("running", FILE, 46, 5)),
        (JobState({"line": "change", "file": FILE, "text": "+ sender"}), WhatIfProgress("running", FILE)),
        (JobState({"line": "failed", "file": FILE, "why": "no"}, done=True), WhatIfProgress("failed", FILE, why="no")),
        (JobState(None, done=True, failure="audit does not answer"), WhatIfProgress("failed", FILE, why="audit does not answer")),
        (JobState({"line": "progress", "file": FILE, "part": 0.5, "mails": 5}, done=True), WhatIfProgress("failed", FILE)),
        (JobState(DONE | {"file": "another"}), WhatIfProgress("other", FILE)),
    ],
)  # fmt: skip
def test_nothing_is_said_of_a_file_before_it_is_known(job, expected):
    assert what_if(FILE, job) == expected


def test_only_what_is_shown_is_kept():
    senders = {f"s{number}@a.example": {"would be refused": number, "would pass": 1} for number in range(500)}
    kept = shortened(DONE | {"senders": senders})
    assert sum(len(outcomes) for outcomes in kept["senders"].values()) == SHOWN
    assert what_if(FILE, JobState(kept)) == what_if(FILE, JobState(DONE | {"senders": senders}))


def test_the_result_has_the_largest_numbers_first():
    result = what_if(FILE, JobState(DONE, done=True))
    assert (result.state, result.mails, result.outcomes) == ("done", 7, (("would be refused", 3),))
    assert result.senders[0] == OutcomeCount("b@a.example", "would be refused", 2)
    mail = ExampleMail(
        "m1", "2026-11-02T09:30:15Z", "<>", 3, "would be refused", "accepted", "too-big", "2 MB, at most 1 MB"
    )
    assert result.examples == (mail,)
    assert result.rules == (OutcomeCount("policy: too-big", "would be refused", 3),)
