"""What of an event is proven, its line in an export, and the proof of one event."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_common.base.timestamps import nanoseconds, time_text
from varco_common.transparency import checkpoint, inclusion, leaf, merkle_tree
from varco_common.transparency.inclusion import NotProven
from varco_common.transparency.leaf import LogEntry
from varco_common.transparency.signed_note import BadNote, SigningKey

TIMES = st.integers(0, 4_000_000_000_000_000_000)
SUBJECTS = st.text("abc.-*>@é%", min_size=1)
ENTRIES = st.builds(LogEntry, st.integers(1, 2**53), TIMES, SUBJECTS, st.binary())
ENTRY = LogEntry(3, 1_764_000_000_123_456_789, "events.policy.account-opened.acme", b'{"type":"x"}')


def test_the_leaf_is_these_bytes():
    expected = b'varco-event-v1\n3\n1764000000123456789\nevents.policy.account-opened.acme\n{"type":"x"}'
    assert leaf.canonical(ENTRY) == expected
    assert leaf.hash_of(ENTRY) == merkle_tree.leaf_hash(expected)


def test_a_line_of_an_export_is_these_bytes():
    expected = (
        b'{"sequence":3,"time":"2025-11-24T16:00:00.123456789Z","subject":"events.policy.account-opened.acme",'
        b'"payload":"{\\"type\\":\\"x\\"}"}\n'
    )
    assert leaf.to_line(ENTRY) == expected


@given(ENTRIES, ENTRIES)
def test_no_two_events_have_the_same_leaf(one, other):
    assert (leaf.canonical(one) == leaf.canonical(other)) == (one == other)


@given(ENTRIES)
def test_a_line_gives_back_every_byte(entry):
    assert leaf.from_line(leaf.to_line(entry)) == entry


@given(TIMES)
def test_a_time_keeps_its_nanoseconds(at):
    assert nanoseconds(time_text(at)) == at


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b"[]", b'{"sequence":1}', b'{"sequence":0,"time":"2025-11-24T16:00:00Z","subject":"a"}']
    + [
        b'{"sequence":1,"time":"%s","subject":"a"}' % time
        for time in (b"", b"2025-11-24T16:00:00", b"2025-11-24T16:00:00.xZ")
    ],
)
def test_what_is_no_line_is_told_apart(line):
    with pytest.raises(ValueError, match=r".+"):
        leaf.from_line(line)


KEY = SigningKey.new("varco-1")


def prove(entries: list[LogEntry], index: int) -> bytes:
    hashes = [leaf.hash_of(one) for one in entries]

    def node(level: int, place: int) -> bytes:
        found = merkle_tree.Frontier()
        for one in hashes[place << level : (place + 1) << level]:
            found.append(one)
        return found.root()

    signed = checkpoint.signed(KEY, len(entries), merkle_tree.root(len(entries), node))
    return inclusion.proof(entries[index], merkle_tree.inclusion_path(index, len(entries), node), signed.text, ())


def log(count: int) -> list[LogEntry]:
    return [LogEntry(n + 1, 10**18 + n, "events.a.b.c", b'{"secret":"no %d"}' % n) for n in range(count)]


@pytest.mark.parametrize("count", [1, 2, 7, 8])
def test_every_event_is_proven_and_no_other_revealed(count):
    for index in range(count):
        data = prove(log(count), index)
        proven = inclusion.check(data, [KEY.public])
        assert (proven.entry, proven.size) == (log(count)[index], count)
        assert data.count(b"secret") == 1


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("payload", '{"secret":"no 4"}'),
        ("sequence", 5),
        ("subject", "events.a.b.d"),
        ("time", "2025-11-24T16:00:00.123456789Z"),
    ],
)
def test_a_proof_of_an_altered_event_does_not_hold(what, other):
    document = msgspec.json.decode(prove(log(7), 3))
    document["event"][what] = other
    with pytest.raises(NotProven):
        inclusion.check(msgspec.json.encode(document), [KEY.public])


def test_a_proof_with_another_path_does_not_hold():
    document = msgspec.json.decode(prove(log(7), 3))
    for path in (document["path"][:-1], document["path"][::-1], [*document["path"], document["path"][0]]):
        with pytest.raises(NotProven):
            inclusion.check(msgspec.json.encode(document | {"path": path}), [KEY.public])


def test_a_proof_under_a_key_that_is_not_trusted_does_not_hold():
    with pytest.raises(NotProven, match="no trusted key"):
        inclusion.check(prove(log(7), 3), [SigningKey.new("varco-1").public])
    with pytest.raises(NotProven, match="another log"):
        inclusion.check(prove(log(7), 3), [SigningKey.new("varco-2").public])


@pytest.mark.parametrize("changes", [{"format": "other"}, {"checkpoint": "none"}, {"path": ["?"]}, {"event": {}}])
def test_what_is_no_proof_is_told_apart(changes):
    document = msgspec.json.decode(prove(log(7), 3)) | changes
    with pytest.raises(BadNote):
        inclusion.check(msgspec.json.encode(document), [KEY.public])
