"""Random histories of events, and the claim that every way of folding one gives the same states.

@given(histories(*FILTERS))
def test_accounts_fold_alike(history):
    folds_alike(history, apply=apply, state=Account, key=account_of)
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar, get_args

import msgspec
import msgspec.inspect as mi
from hypothesis import strategies as st

from varco_common.events import AnyEvent, Event, decode_event, encode_event, fact
from varco_common.eventsourcing.folded_states import FoldedStates
from varco_common.eventsourcing.projection_spec import event_key
from varco_common.eventsourcing.replay.settings_history import SettingsHistory

S = TypeVar("S")
History_ = list[tuple[int, AnyEvent]]

MAX_EVENTS = 40
_NETWORKS = ("192.0.2.7", "192.0.2.0/28", "2001:db8::/64")
_WORDS: Mapping[str, tuple[str, ...]] = {  # by field name; few values, so that events concern the same things
    "account": ("acme", "beta"),
    "network": _NETWORKS,
    "host": ("192.0.2.7", "198.51.100.9", "2001:db8::5"),
    "login": ("alice@acme.example", "Bob@acme.example", "desk"),
    "pattern": ("@acme.example", "a@acme.example", "@.acme.example"),
    "sender": ("", "a@acme.example", "b@acme.example"),
    "mail": ("m1", "m2", "m3"),
    "link": ("0" * 40, "1" * 40),
    "token": ("t1", "t2"),
    "time_zone": ("UTC", "Europe/Rome"),
    "recipient": ("r1@dest.example", "r2@dest.example"),
}
_TEXT = st.sampled_from(("", "x", "è così", "a b"))
_TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2026, 3, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is given


def histories(*filters: str) -> st.SearchStrategy[History_]:
    """Events that match any of the subject filters, with rising sequences that have gaps."""
    kinds = [kind for kind in get_args(AnyEvent) if any(_passes(kind, subject_filter) for subject_filter in filters)]
    assert kinds, f"no event matches {filters}"
    event = st.one_of([_struct(kind, "") for kind in kinds])
    step = st.integers(1, 3)
    return st.lists(st.tuples(step, event), max_size=MAX_EVENTS).map(_numbered)


def folds_alike(
    history: Sequence[tuple[int, AnyEvent]],
    *,
    apply: Callable[[Any, AnyEvent], Any],
    state: type[S],
    key: Callable[[AnyEvent], str] = event_key,
) -> None:
    """Asserts equal states: live, after a restart, after a rebuild, and as of any sequence.

    A restart reads the saved documents, and gets some events again that it has applied.
    """
    live = _folded(FoldedStates(apply, key), history)
    rebuilt = _folded(
        FoldedStates(apply, key), [(sequence, decode_event(encode_event(event))) for sequence, event in history]
    )
    assert rebuilt.states == live.states
    document = msgspec.json.Decoder(state)
    for place in range(len(history) + 1):
        before = _folded(FoldedStates(apply, key), history[:place])
        saved = {name: document.decode(text) for name, text in before.take().items() if text is not None}
        assert saved == before.states
        again: FoldedStates[S] = FoldedStates(apply, key)
        again.start(saved, before.sequence)
        assert _folded(again, history[max(place - 3, 0) :]).states == live.states
    past: SettingsHistory[S] = SettingsHistory(apply, key)
    for sequence, event in history:
        past.apply_event(sequence, event)
    for place in reversed(range(len(history) + 1)):  # the newest first: earlier questions must not matter
        then = _folded(FoldedStates(apply, key), history[:place])
        for name in past:
            assert past.as_of(name, then.sequence) == then.states.get(name)


def _folded(memory: FoldedStates[S], history: Sequence[tuple[int, AnyEvent]]) -> FoldedStates[S]:
    for sequence, event in history:
        memory.apply(sequence, event)
    return memory


def _passes(kind: type[Event], subject_filter: str) -> bool:
    _, service, name, *_ = subject_filter.split(".")
    return service in ("*", kind.SERVICE) and name in ("*", ">", fact(kind))


def _numbered(steps: list[tuple[int, AnyEvent]]) -> History_:
    numbered, sequence = [], 0
    for step, event in steps:
        sequence += step
        numbered.append((sequence, event))
    return numbered


def _struct(kind: type, _: str) -> st.SearchStrategy[Any]:
    fields = mi.type_info(kind).fields  # type: ignore[attr-defined] # a Struct's
    return st.builds(kind, **{field.name: _values(field.type, field.name) for field in fields})


def _values(type_: mi.Type, name: str) -> st.SearchStrategy[Any]:  # noqa: C901, PLR0911, PLR0912 - one arm a type
    match type_:
        case mi.StrType():
            return st.sampled_from(_WORDS[name]) if name in _WORDS else _TEXT
        case mi.BoolType():
            return st.booleans()
        case mi.IntType():
            return st.integers(0, 5)
        case mi.FloatType():
            return st.sampled_from((0.0, 1.0, 2.5))
        case mi.DateTimeType():
            return _TIMES
        case mi.NoneType():
            return st.none()
        case mi.EnumType(cls=cls):
            return st.sampled_from(list(cls))
        case mi.LiteralType(values=values):
            return st.sampled_from(values)
        case mi.UnionType(types=types):
            return st.one_of([_values(member, name) for member in types])
        case mi.VarTupleType(item_type=item):
            return st.lists(_values(item, name.removesuffix("s")), max_size=3).map(tuple)
        case mi.ListType(item_type=item):
            return st.lists(_values(item, name.removesuffix("s")), max_size=3)
        case mi.DictType(key_type=key, value_type=value):
            return st.dictionaries(_values(key, ""), _values(value, ""), max_size=3)
        case mi.StructType(cls=cls):
            return st.deferred(lambda: _struct(cls, name))
        case _:
            raise TypeError(f"no values are known for {name}: {type_}")
