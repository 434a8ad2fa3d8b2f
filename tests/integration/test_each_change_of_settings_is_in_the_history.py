"""Every event that changes what `varco show` prints is in the history, where it can be undone.

Each kind of event is folded by the service that owns it, upon several states. A new kind that a
settings view reads has to be named here, or in audit's list.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

import varco_archive.past_settings
import varco_domains.past_settings
import varco_filelink.replay
import varco_policy.replay
import varco_ratelimit.replay
import varco_relay.past_settings
from varco_audit.changes.account_document import account_document
from varco_audit.changes.history import SETTINGS
from varco_audit.replay.past_settings import SERVICES
from varco_common import events as e
from varco_common.account_file.owners import KEYS, OWNERS
from varco_common.eventsourcing.replay.frames import SettingsItem

GOLDEN = Path(__file__).parents[2] / "libs/common/tests/events/golden"
NOW = datetime(2026, 11, 29, tzinfo=UTC)
ACCOUNT = "acme"
VIEWS = {
    "archive": varco_archive.past_settings,
    "domains": varco_domains.past_settings,
    "filelink": varco_filelink.replay,
    "policy": varco_policy.replay,
    "ratelimit": varco_ratelimit.replay,
    "relay": varco_relay.past_settings,
}
UNSEEN = {e.LoginNamed, e.DomainProven}
KINDS = [kind for kind in get_args(e.AnyEvent) if issubclass(kind, e.AccountEvent) and kind.SERVICE in VIEWS]


def sample(kind: type[e.AccountEvent]) -> e.AccountEvent:
    text = (GOLDEN / f"{e.wire_name(kind)}.json").read_bytes()
    return msgspec.structs.replace(msgspec.json.decode(text, type=kind), account=ACCOUNT)


SAMPLES = {kind: sample(kind) for kind in KINDS}


def shown(service: str, events: list[e.AccountEvent]) -> Any:
    """The sections of the account file that this service owns, after these events."""
    view = VIEWS[service].settings_view(None)
    view.begin(ACCOUNT, NOW, own=True)
    for sequence, event in enumerate(events, 1):
        view.apply(sequence, event)
    items = [
        SettingsItem(section=section, key=key, value=value)
        for section, values in view.sections(ACCOUNT).items()
        for key, value in values.items()
    ]
    return msgspec.to_builtins(account_document(items, NOW), enc_hook=str)


def states(kind: type[e.AccountEvent]) -> Iterator[list[e.AccountEvent]]:
    """An account that is open, with each other change alone, and with all of them."""
    others = [event for other, event in SAMPLES.items() if other.SERVICE == kind.SERVICE and other is not kind]
    opened = [SAMPLES[e.AccountOpened]] if kind is not e.AccountOpened else []
    yield opened
    yield from ([*opened, other] for other in others)
    lasting = [other for other in others if not isinstance(other, e.AccountClosed | e.AccountOpened)]
    yield [*opened, *lasting]


def changes(kind: type[e.AccountEvent]) -> bool:
    return any(shown(kind.SERVICE, before) != shown(kind.SERVICE, [*before, SAMPLES[kind]]) for before in states(kind))


def is_read(kind: type[e.AccountEvent]) -> bool:
    """Whether its service reads it for the settings of a time."""
    subject = SAMPLES[kind].subject.split(".")
    filters = (pattern.split(".") for pattern in VIEWS[kind.SERVICE].settings_view(None).filters)
    return any(all(part in ("*", own) for part, own in zip(pattern, subject, strict=True)) for pattern in filters)


def test_every_service_with_sections_is_asked_and_every_section_can_come_back():
    assert {*VIEWS} == {*SERVICES} - {"banguard"} == {owner.service for owner in OWNERS}
    assert {"account", *account_document([], NOW)} == {*KEYS}


@pytest.mark.parametrize("kind", KINDS, ids=e.wire_name)
def test_what_changes_the_printed_account_is_in_the_history(kind: type[e.AccountEvent]):
    if changes(kind):
        assert kind in SETTINGS
    elif is_read(kind):
        assert kind in SETTINGS or kind in UNSEEN, f"is {kind.__name__} a setting? see audit's changes/history.py"


@pytest.mark.parametrize("kind", sorted(UNSEEN, key=e.wire_name), ids=e.wire_name)
def test_what_is_no_setting_is_not_in_the_history(kind: type[e.AccountEvent]):
    assert kind not in SETTINGS
    assert not changes(kind)
