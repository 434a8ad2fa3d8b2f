"""The shape of every event.

Frozen, tagged by a literal wire name with a version, and only ever added to.
"""

from datetime import datetime
from typing import ClassVar

import msgspec

from varco_common.base import subjects


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """A fact. `at` is when it happened, UTC.

    `SERVICE` is the one that publishes it. The tag is `<noun>.<past participle>.v<n>`; fields are
    added with a default and never changed.
    """

    SERVICE: ClassVar[str] = ""
    at: datetime

    @property
    def key(self) -> str:
        """What the event is about: an account, a host. It becomes the last token of the subject."""
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """`events.<service>.<fact>.<key>`.

        The fact is the tag without its version, such as `sender-authorised`.
        """
        return subjects.event(self.SERVICE, fact(type(self)), subjects.token(self.key))

    @classmethod
    def subject_filter(cls, key: str = "*") -> str:
        """The subject of this kind of event about `key` (a subject token); `*` for any key."""
        return subjects.event(cls.SERVICE, fact(cls), key)


class AccountEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A fact about one account. `by` is who caused it (a token's name, a service), `reason` why."""

    account: str
    by: str = ""
    reason: str = ""

    @property
    def key(self) -> str:
        return self.account


def wire_name(kind: type[Event]) -> str:
    """`sender.authorised.v1`."""
    return str(kind.__struct_config__.tag)


def fact(kind: type[Event]) -> str:
    """`sender-authorised`: the wire name as one subject token."""
    return wire_name(kind).rpartition(".")[0].replace(".", "-")
