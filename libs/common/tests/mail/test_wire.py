"""Ids, subjects, envelopes and records: what goes over the wire comes back as it was, within the
bus's limits.
"""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_common.base import ids, subjects
from varco_common.mail.ballot import Ballot, Vote, accept, decode_ballot, decode_vote, encode
from varco_common.mail.envelope import MAX_ADDRESS_BYTES, Envelope, domain_of
from varco_common.mail.record import HEADER, BodyReference, MailAccepted, decode_record, encode_record
from varco_common.mime import MAX_MANIFEST_BYTES, Manifest

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)
MAX_HEADER_BYTES = 65_535  # JetStream keeps a message's header length in 16 bits

text = st.text(max_size=200)


def envelope(**facts):
    start = {"id": ids.new_id(), "account": "acme", "sender": "a@x", "recipients": ("b@y",), "host": "::1"}
    return Envelope(**(start | {"received_at": AT} | facts))


def record(**facts):
    start = {
        "envelope": envelope(),
        "manifest": Manifest(),
        "votes": (accept("policy"),),
        "body": BodyReference(size=1),
    }
    return MailAccepted(**(start | facts))


def test_ids_sort_by_the_time_they_were_made(monkeypatch):
    clock = iter(range(1_800_000_000_000_000_000, 1_900_000_000_000_000_000, 10**15))
    monkeypatch.setattr("time.time_ns", lambda: next(clock))
    made = [ids.new_id() for _ in range(90)]
    assert made == sorted(made)
    assert len({*made}) == 90


def test_ids_are_twenty_characters_nobody_misreads_and_never_the_same():
    made = {ids.new_id() for _ in range(10_000)}
    assert len(made) == 10_000
    assert all(len(one) == ids.LENGTH and {*one} <= {*ids.ALPHABET} for one in made)


@given(text)
def test_any_text_becomes_one_subject_token(value):
    token = subjects.token(value)
    assert token
    assert token.isascii()
    assert not {*token} & {*".*> \t\r\n\0"}


@given(text, text)
def test_two_texts_are_never_one_token(one, other):
    if one != other and {one, other} != {"", "-"}:
        assert subjects.token(one) != subjects.token(other)


@given(text)
def test_all_ballots_of_an_account_go_to_one_partition(account):
    assert 0 <= subjects.partition(account) == subjects.partition("".join(account)) < subjects.PARTITIONS


@pytest.mark.parametrize(
    ("address", "domain"),
    [("a@B.example", "b.example"), ('"a@b"@c.example', "c.example"), ("", ""), ("postmaster", "")],
)
def test_the_domain_is_what_follows_the_last_at(address, domain):
    assert domain_of(address) == domain


@given(text, text, text)
def test_ballots_and_votes_come_back_as_they_were(sender, subject, reason):
    ballot = Ballot(envelope=envelope(sender=sender), manifest=Manifest(subject=subject))
    assert decode_ballot(encode(ballot)) == ballot
    vote = Vote(voter="policy", reply="accepted", reason=reason)
    assert decode_vote(encode(vote)) == msgspec.convert(msgspec.to_builtins(vote), Vote)


@pytest.mark.parametrize("data", [b"", b"{}", b"null", b'{"voter":"policy"}', b'{"voter":"policy","reply":"maybe"}'])
def test_what_cannot_be_read_is_no_vote(data):
    with pytest.raises(msgspec.DecodeError):
        decode_vote(data)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_a_record_of_any_text_is_ascii_without_line_ends_and_comes_back(value):
    sent = record(manifest=Manifest(subject=value), envelope=envelope(sender=value))
    written = encode_record(sent)
    assert written.isascii()
    assert not {*written} & {*"\r\n\0"}
    assert decode_record(written) == sent


def test_the_largest_envelope_and_manifest_fit_into_a_header():
    recipients = tuple(f"{number:04}{'r' * 51}@e.example" for number in range(MAX_ADDRESS_BYTES // 68))
    manifest = Manifest(subject="s" * (MAX_MANIFEST_BYTES - 20))
    votes = tuple(Vote(voter="v" * 20, reply="accepted", sequence=10**12, convert=("1.2.3",) * 9) for _ in range(10))
    written = encode_record(record(envelope=envelope(recipients=recipients), manifest=manifest, votes=votes))
    assert len(f"NATS/1.0\r\nNats-Msg-Id: {ids.new_id()}\r\n{HEADER}: {written}\r\n\r\n") < MAX_HEADER_BYTES
