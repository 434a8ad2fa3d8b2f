"""No mail passes in which a parser shows a forbidden file, however the mail is broken.

`python -m tests.parsers --count 20000` tries more. The parsers that are not installed are skipped.
"""

from collections.abc import Iterator

import pytest

from .attacks import ATTACKS
from .judging import betrayals, forbidden, mutations, passes
from .oracles import PARSERS, Oracle

COUNT = 1_000


@pytest.fixture(scope="module")
def passed() -> list[tuple[int, bytes]]:
    return [(number, mail) for number, mail in mutations(COUNT) if passes(mail)]


@pytest.fixture(params=PARSERS)
def oracle(request) -> Iterator[Oracle]:
    parser = PARSERS[request.param]
    if not parser.is_here():
        pytest.skip(f"{request.param} is not here: {parser.installed_by}")
    started = parser.start()
    yield started
    if close := getattr(started, "close", None):
        close()


def test_a_forbidden_file_in_plain_sight_is_refused():
    assert not [number for number, mail in enumerate(ATTACKS) if passes(mail)]


def test_the_parser_shows_the_forbidden_file_in_plain_sight(oracle):
    attacks = ATTACKS[::5]
    shown = sum(any(map(forbidden, oracle(mail))) for mail in attacks)
    assert shown > len(attacks) / 4  # munpack knows neither RFC 2047 nor RFC 2231


def test_the_parser_shows_no_forbidden_file_in_a_mail_that_passed(oracle, passed):
    assert len(passed) > COUNT / 50
    assert list(betrayals(oracle, passed)) == []
