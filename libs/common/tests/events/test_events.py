"""Events stay readable for ever.

Each version's golden sample is parsed, and nothing of it is lost.
"""

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from varco_common.events import (
    AnyEvent,
    AuthCause,
    AuthFailed,
    MailDelivered,
    RecordParked,
    SecondFactorSet,
    decode_authenticated,
    decode_event,
    encode_event,
    fact,
    wire_name,
)
from varco_common.mail.record import MailRecord, decode_record, encode_record

GOLDEN = Path(__file__).parent / "golden"
KINDS = get_args(AnyEvent)
RECORDS = get_args(MailRecord)


@pytest.mark.parametrize("sample", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_a_golden_sample_is_read_whole(sample):
    data = sample.read_bytes()
    if sample.stem in map(wire_name, RECORDS):
        written = encode_record(decode_record(data)).encode()
    else:
        written = encode_event(decode_event(data))
    assert msgspec.json.decode(written) == msgspec.json.decode(data)
    assert msgspec.json.decode(data)["type"] == sample.stem


def test_every_event_has_a_golden_sample_that_sets_its_every_field():
    for kind in (*KINDS, *RECORDS):
        sample = msgspec.json.decode((GOLDEN / f"{wire_name(kind)}.json").read_bytes())
        assert set(sample) >= {field.encode_name for field in msgspec.structs.fields(kind)}, wire_name(kind)


def test_a_second_factor_of_before_codes_were_counted_is_read():
    sample = msgspec.json.decode((GOLDEN / "second.factor.set.v1.json").read_bytes())
    step = sample.pop("code_step")
    earlier, later = (decode_event(msgspec.json.encode(form)) for form in (sample, sample | {"code_step": step}))
    assert isinstance(earlier, SecondFactorSet)
    assert (earlier.code_step, earlier) == (0, msgspec.structs.replace(later, code_step=0))
    assert msgspec.json.decode(encode_event(earlier)) == sample


def test_every_event_is_named_noun_participle_version():
    for kind in KINDS:
        assert re.fullmatch(r"[a-z]+(\.[a-z]+)+\.v\d+", wire_name(kind))
        assert kind.SERVICE
        assert kind.__doc__


def test_no_two_events_share_a_name():
    assert len({wire_name(kind) for kind in KINDS}) == len(KINDS)


def test_the_subject_names_service_fact_and_key():
    sample = decode_event((GOLDEN / "connections.refused.v1.json").read_bytes())
    assert sample.subject == "events.ingress-smtp.connections-refused.2001:db8::7"
    assert fact(AuthFailed) == "auth-failed"


@pytest.mark.parametrize("kind", KINDS, ids=wire_name)
def test_every_event_is_read_where_it_is_said_and_nowhere_else(kind):
    data = (GOLDEN / f"{wire_name(kind)}.json").read_bytes()
    event = decode_event(data)
    assert decode_authenticated(event.subject, data) == event
    with pytest.raises(msgspec.ValidationError, match="isn't said at"):
        decode_authenticated("events.link.link-made.acme", data)


@pytest.mark.parametrize(("kind", "more"), [(AuthFailed, {"service": "policy"}), (MailDelivered, {"attempt": 2})])
def test_an_event_with_more_than_one_place_is_read_at_each(kind, more):
    sample = decode_event((GOLDEN / f"{wire_name(kind)}.json").read_bytes())
    event = msgspec.structs.replace(sample, **more)
    assert not event.subject.startswith(f"events.{kind.SERVICE}.{fact(kind)}.")
    assert decode_authenticated(event.subject, encode_event(event)) == event


def test_a_record_is_parked_in_its_own_name_alone():
    data = (GOLDEN / f"{wire_name(RecordParked)}.json").read_bytes()
    with pytest.raises(msgspec.ValidationError, match="isn't said at"):
        decode_authenticated("events.parked.record-parked.another", data)


def test_unknown_fields_are_ignored_and_unknown_types_refused():
    data = msgspec.json.decode((GOLDEN / "auth.failed.v1.json").read_bytes())
    event = decode_event(msgspec.json.encode(data | {"added": "later"}))
    assert isinstance(event, AuthFailed)
    assert event.cause is AuthCause.WRONG_CREDENTIALS
    for broken in (data | {"type": "auth.failed.v99"}, {"type": "auth.failed.v1"}, {}, []):
        with pytest.raises(msgspec.ValidationError):
            decode_event(msgspec.json.encode(broken))


@pytest.mark.parametrize(
    ("name", "section", "field", "default"),
    [
        ("rules.changed.v1", "rules", "display_addresses", "refuse"),
        ("rules.changed.v1", "rules", "unauthorised_senders", "stop"),
        ("ban.rules.changed.v1", "rules", "count_repeats", True),
        ("ban.rules.changed.v1", "rules", "shared_logins", 2),
        ("network.trusted.v1", "", "domain", ""),
        ("auth.failed.v1", "", "guess", ""),
    ],
)
def test_an_event_from_before_a_field_was_added_is_read_with_its_default(name, section, field, default):
    sample = msgspec.json.decode((GOLDEN / f"{name}.json").read_bytes())
    del (sample[section] if section else sample)[field]
    event = decode_event(msgspec.json.encode(sample))
    assert getattr(getattr(event, section) if section else event, field) == default
