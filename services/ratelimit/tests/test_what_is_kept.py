"""Recipients that are known for 90 days, and reservations in their log."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_ratelimit.counters import Reservation
from varco_ratelimit.known_recipients import DAYS, KnownRecipients, pair_of
from varco_ratelimit.reservation_log import ReservationLog

from .counters_of_one_account import LAPSE, NOW


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(20_000, 20_300)), max_size=300))
def test_recipients_are_known_for_90_days(written):
    known, last = KnownRecipients(), {}
    for number, day in written:
        pair = pair_of("acme", "a@acme.example", f"r{number}@d.example")
        known.add_mail(pair, day)
        last[pair] = max(day, last.get(pair, 0))
    for pair, day in last.items():
        assert known.knows(pair, day + DAYS)
        assert not known.knows(pair, day + DAYS + 1)
    assert {pair: known.unsaved[pair] for pair in last} == last
    assert len(known) == len(last)
    assert not known.knows(pair_of("other", "a@acme.example", "r1@d.example"), 20_000)


def test_a_table_grows_and_forgets_what_is_old():
    known = KnownRecipients()
    for number in range(60_000):
        known.put(pair_of("acme", "a", str(number)), 20_000 if number % 2 else 20_000 - DAYS - 1)
    for number in range(60_000, 120_000):
        known.put(pair_of("acme", "a", str(number)), 20_000)
    assert all(known.knows(pair_of("acme", "a", str(number)), 20_000) for number in range(1, 120_000, 2))
    assert len(known) < 110_000
    assert known.size / len(known) < 33


def test_the_journal_has_what_was_written_though_nobody_closed_it(tmp_path):
    written = [Reservation(f"m{number}", "acme", "a@b.example", (1, 1, 1, 0), NOW + number) for number in range(3)]
    with ReservationLog.open(tmp_path, LAPSE) as reservation_log:
        identity = reservation_log.identity
        for one in written:
            reservation_log.write(one)
        with ReservationLog.open(tmp_path, LAPSE) as other:
            assert other.identity != identity
            assert other.found == []
    file = tmp_path / "0" / "reservations.1"
    file.write_bytes(file.read_bytes() + b'{"mail":"cut o')
    with ReservationLog.open(tmp_path, LAPSE) as reservation_log:
        assert (reservation_log.identity, reservation_log.found) == (identity, written)
        later = [msgspec.structs.replace(written[0], mail=f"n{number}", at=NOW + number * LAPSE) for number in range(5)]
        for one in later:
            reservation_log.write(one)
    with ReservationLog.open(tmp_path, LAPSE) as reservation_log:
        assert set(later[-1:]) <= set(reservation_log.found) <= {*later, *written}


@pytest.mark.parametrize("damage", [b"", b"\xff\0", b"cut"])
def test_a_damaged_identity_is_another_identity(tmp_path, damage):
    """Its partitions count as lost then: they are taken once all mails that may count are known."""
    with ReservationLog.open(tmp_path, 1_000) as reservation_log:
        identity = reservation_log.identity
    (tmp_path / "0" / "identity").write_bytes(damage)
    with ReservationLog.open(tmp_path, 1_000) as reservation_log:
        assert reservation_log.identity != identity


def test_another_boot_is_another_identity(tmp_path):
    with ReservationLog.open(tmp_path, LAPSE) as reservation_log:
        identity = reservation_log.identity
    file = tmp_path / "0" / "identity"
    file.write_text(f"{identity} another-boot\n")
    with ReservationLog.open(tmp_path, LAPSE) as reservation_log:
        assert reservation_log.identity != identity
