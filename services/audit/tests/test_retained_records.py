"""What is to be erased, and how: nothing else goes, and nothing of it stays."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from varco_audit.retention.erasure_plan import RetainedRecords
from varco_common.bus import StoredRecord

SUBJECT = "mail.accepted.acme"
SEQUENCES = st.sets(st.integers(1, 60), min_size=1)


def record(sequence: int, subject: str = SUBJECT, key: str = "", original: int = 0, at: int = 0) -> StoredRecord:
    text = f'{{"body":{{"size":1,"object":"{key}"}},"original":{original}}}'
    return StoredRecord(sequence, at or sequence, text.encode(), subject, 0)


def records_of(*records: StoredRecord) -> RetainedRecords:
    made = RetainedRecords()
    for one in records:
        made.add(one)
    return made


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is slow
@given(SEQUENCES, st.data())
def test_a_plan_takes_exactly_what_is_to_go(there, data):
    gone = data.draw(st.sets(st.sampled_from(sorted(there))))
    overwritten = data.draw(st.sets(st.sampled_from(sorted(there))))
    one = records_of(*map(record, sorted(there)))
    plan = one.plan(SUBJECT, gone, overwritten)
    purged = {sequence for sequence in there if sequence < plan.before}
    assert {*plan.overwritten, *purged, *plan.single} == gone
    assert {*plan.overwritten} == gone & overwritten
    assert not {*plan.single} & {*plan.overwritten}
    told = {sequence for first, last in plan.ranges for sequence in there if first <= sequence <= last}
    assert told == gone
    assert list(plan.ranges) == sorted(plan.ranges)
    one.drop(SUBJECT, gone)
    assert len(one) == len(there - gone)


def test_a_body_goes_with_the_last_record_that_has_it():
    one = records_of(record(1, key="a"), record(2, key="a"), record(3, key="b"))
    assert one.objects({1, 3}) == ["b"]
    one.drop(SUBJECT, {1, 3})
    assert one.objects({2}) == ["a"]


def test_what_was_made_from_a_mail_that_is_still_there_stays():
    made = "mail.converted.acme"
    one = records_of(record(1, "mail.convert.acme"), record(2, made, original=1), record(3, made, original=99))
    assert one.without_originals(made, [2, 3]) == [3]
    one.drop("mail.convert.acme", {1})
    assert one.without_originals(made, [2, 3]) == [2, 3]


def test_young_ones_unreadable_ones_and_those_that_are_no_more_are_not_due():
    one = records_of(record(1, at=10), record(2, at=20), record(4, at=30))
    one.add(StoredRecord(5, 30, b"", SUBJECT, 0))
    assert [list(found) for _, found in one.due(20)] == [[1, 2]]
    assert [list(found) for _, found in one.due(99)] == [[1, 2, 4]]
    one.drop_before(2)
    assert [list(found) for _, found in one.due(99)] == [[2, 4]]
    one.drop_before(6)
    assert (len(one), one.unerasable) == (0, set())
