"""Whatever is done to a log, it is found, and named where leaf hashes are at hand."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from varco_common.transparency import checkpoint, leaf, verification
from varco_common.transparency.checkpoint import Checkpoint
from varco_common.transparency.deviation import Deviation, Finding
from varco_common.transparency.leaf import LogEntry
from varco_common.transparency.merkle_tree import Frontier
from varco_common.transparency.signed_note import SigningKey
from varco_common.transparency.verification import BadHashes, Forked, HistoryVerifier

KEY = SigningKey.new("varco-1")


def log(count: int) -> list[LogEntry]:
    return [LogEntry(n + 1, 10**18 + n, "events.a.b.c", b'{"n":%d}' % n) for n in range(count)]


def hashes_of(entries: list[LogEntry]) -> list[bytes]:
    found: list[bytes] = []
    for one in entries:
        found += [leaf.absent(missing + 1) for missing in range(len(found), one.sequence - 1)]
        found.append(leaf.hash_of(one))
    return found


def signed(hashes: list[bytes], size: int) -> Checkpoint:
    frontier = Frontier()
    for one in hashes[:size]:
        frontier.append(one)
    return checkpoint.signed(KEY, size, frontier.root())


def run(entries: list[LogEntry], checkpoints: list[Checkpoint], hashes: list[bytes] | None = None) -> Finding | None:
    verifier = HistoryVerifier(checkpoints, hashes.__getitem__ if hashes else None)
    for one in entries:
        if found := verifier.push(one):
            return found
    return verifier.end()


def judged(entries: list[LogEntry], original: list[LogEntry], size: int = 0) -> tuple[Deviation, int] | None:
    """What is found with leaf hashes; that something is found without them is looked at as well."""
    hashes = hashes_of(original)
    covering = [signed(hashes, size or len(hashes))]
    exact, coarse = run(entries, covering, hashes), run(entries, covering)
    assert bool(exact) == bool(coarse)
    if exact and coarse and coarse.departure is Deviation.SOMEWHERE:
        assert coarse.sequence <= exact.sequence <= coarse.until
    return exact and (exact.departure, exact.sequence)


def renumbered(entries: list[LogEntry]) -> list[LogEntry]:
    """As a stream has them that was written anew."""
    return [one._replace(sequence=n + 1) for n, one in enumerate(entries)]


COUNTS = st.integers(1, 40)


@given(COUNTS, st.data())
def test_an_honest_log_passes_every_checkpoint_of_its_past(count, data):
    hashes = hashes_of(log(count))
    sizes = data.draw(st.sets(st.integers(0, count)))
    checkpoints = [signed(hashes, size) for size in sorted(sizes)]
    verification.fits(iter(hashes), checkpoints)
    assert run(log(count), checkpoints) is None
    assert run(log(count), checkpoints, hashes) is None


@given(COUNTS, st.data())
def test_a_changed_event_is_named(count, data):
    index = data.draw(st.integers(0, count - 1))
    entries = log(count)
    field = data.draw(st.sampled_from([{"payload": b'{"n":-1}'}, {"at": 5}, {"subject": "events.a.b.d"}]))
    entries[index] = entries[index]._replace(**field)
    assert judged(entries, log(count)) == (Deviation.CHANGED, index + 1)


@given(COUNTS, st.data())
def test_a_dropped_event_is_named_whether_or_not_the_others_moved_up(count, data):
    index = data.draw(st.integers(0, count - 1))
    entries = log(count)
    del entries[index]
    expected = Deviation.CUT if index == count - 1 else Deviation.DROPPED
    assert judged(entries, log(count)) == (expected, index + 1)
    assert judged(renumbered(entries), log(count)) == (expected, index + 1)


@given(COUNTS, st.data())
def test_an_added_event_is_named(count, data):
    index = data.draw(st.integers(0, count - 1))
    entries = log(count)
    entries.insert(index, LogEntry(index + 1, 7, "events.a.b.c", b"added"))
    assert judged(renumbered(entries), log(count)) == (Deviation.ADDED, index + 1)


@given(st.integers(2, 40), st.data())
def test_events_that_changed_places_are_named_by_the_first(count, data):
    one, other = sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=2, max_size=2)))
    entries = log(count)
    entries[one], entries[other] = entries[other], entries[one]
    assert judged(renumbered(entries), log(count)) == (Deviation.REORDERED, one + 1)
    assert judged(entries, log(count)) == (Deviation.REORDERED, one + 1)


@given(st.integers(2, 40), st.data())
def test_a_log_that_was_cut_off_is_named_by_the_first_event_that_is_missing(count, data):
    kept = data.draw(st.integers(0, count - 1))
    assert judged(log(count)[:kept], log(count)) == (Deviation.CUT, kept + 1)


@given(st.integers(2, 40), st.data())
def test_what_comes_behind_the_checkpoint_is_not_judged(count, data):
    size = data.draw(st.integers(1, count - 1))
    entries = log(count)
    index = data.draw(st.integers(size, count - 1))
    entries[index] = entries[index]._replace(payload=b"other")
    assert judged(entries, log(count), size) is None


@given(COUNTS, st.data())
def test_a_gap_that_was_there_when_it_was_signed_is_no_departure(count, data):
    entries = log(count)
    del entries[data.draw(st.integers(0, count - 1))]
    assume(entries)
    assert judged(entries, entries) is None


def test_what_is_put_into_a_signed_gap_was_added():
    original = log(9)
    del original[4]
    assert judged(log(9), original) == (Deviation.ADDED, 5)


def test_a_whole_stretch_that_is_gone_is_named_however_long():
    original = log(5_000)
    finding = run(original[:10] + original[4_000:], [signed(hashes_of(original), 5_000)], hashes_of(original))
    assert finding == Finding(Deviation.DROPPED, 11, 4_000, "events 11 to 4000 are gone")


def test_without_hashes_the_two_nearest_checkpoints_are_named():
    hashes = hashes_of(log(30))
    entries = log(30)
    entries[16] = entries[16]._replace(payload=b"changed")
    finding = run(entries, [signed(hashes, size) for size in (5, 12, 20, 30)])
    assert finding == Finding(Deviation.SOMEWHERE, 13, 20, "altered between events 13 and 20")


def test_without_hashes_a_missing_sequence_is_named_all_the_same():
    hashes, entries = hashes_of(log(30)), log(30)
    del entries[7:9]
    assert run(entries, [signed(hashes, 30)]) == Finding(Deviation.DROPPED, 8, 9, "events 8 to 9 are missing")


def test_events_whose_time_is_over_are_vouched_for_by_their_hashes():
    hashes = hashes_of(log(30))
    verifier = HistoryVerifier([signed(hashes, 30)], hashes.__getitem__, first=11)
    assert not any(verifier.push(one) for one in log(30)[10:])
    assert verifier.end() is None


def test_leaf_hashes_of_another_log_are_no_help():
    hashes = hashes_of(log(9))
    with pytest.raises(BadHashes, match="of 9 events"):
        verification.fits([*hashes[:8], b"x" * 32], [signed(hashes, 4), signed(hashes, 9)])
    with pytest.raises(BadHashes, match="8 leaf hashes are fewer than the 9"):
        verification.fits(hashes[:8], [signed(hashes, 9)])


def test_two_checkpoints_of_one_size_must_agree():
    hashes = hashes_of(log(9))
    assert [one.size for one in verification.in_order([signed(hashes, 9), signed(hashes, 4), signed(hashes, 9)])] == [
        4,
        9,
    ]
    with pytest.raises(Forked, match="two versions"):
        verification.in_order([signed(hashes, 9), checkpoint.signed(KEY, 9, b"x" * 32)])
