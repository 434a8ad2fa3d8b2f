"""What each service may publish and subscribe, for the NATS server's configuration.

| use | publish | subscribe |
|---|---|---|
| any | STREAM_INFO | `_INBOX_<service>.>`: no other service's replies |
| events.append, .last_sequence | `events.<service>.>`, RecordParked of its own | - |
| events.follow, .read, .since | READ_EVENTS, a consumer of each filter and of its own events | - |
| events.get, .last | READ_ALL_EVENTS, for a service that subscribes `events.>` | - |
| events.listen | - | `passing.<service>.<fact>.<key>` |
| mail.append | `mail.<kind>.*` | - |
| leases | `lease.<service>`, READ_LEASES | - |
| mail.consume, .get, .follow | READ_MAIL, RecordParked of its own | `ask.<self>.redeliver` |
| admin.erase, admin.purge | ERASE_MAIL, which a service declares by name | - |
| voting.collect, requests.ask | `ballot.*`, `ask.<service>.<question>` | - |
| requests.ask_everyone | `everyone.<question>` | - |
| requests.answer_everyone | one reply to each request | `everyone.<question>` |
| voting.serve, requests.answer | one reply to each request | `ballot.*`, `ask.<self>.*` |

A consumer of EVENTS has one filter, which is a part of the request that creates it; NATS checks no
filter inside a request. So no service gets a request on EVENTS that names its messages in the body.

NATS has two limits. Consumer names are single tokens, so a service that may pull from a stream
could touch another one's consumer there, if it guessed the 96 random bits in the name of one of
EVENTS. A service that may read a stream could have the server's answer stored in another stream;
readers park that, or detect it (`headers.is_reflected`).
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from varco_common.base import subjects
from varco_common.bus.redelivery import REDELIVER
from varco_common.events import RecordParked

STREAM_INFO = ("$JS.API.STREAM.INFO.MAIL", "$JS.API.STREAM.INFO.EVENTS")
ALL_EVENTS = f"{subjects.EVENTS.lower()}.>"
READ_EVENTS = (
    "$JS.API.CONSUMER.MSG.NEXT.EVENTS.*",
    "$JS.API.CONSUMER.DELETE.EVENTS.*",
)
READ_ALL_EVENTS = (
    *READ_EVENTS,
    "$JS.API.STREAM.MSG.GET.EVENTS",
    "$JS.API.DIRECT.GET.EVENTS",
    "$JS.API.CONSUMER.CREATE.EVENTS.*",
)
ERASE_MAIL = ("$JS.API.STREAM.MSG.DELETE.MAIL", "$JS.API.STREAM.PURGE.MAIL")
READ_LEASES = ("$JS.API.STREAM.MSG.GET.LEASES",)
READ_MAIL = (
    "$JS.API.STREAM.MSG.GET.MAIL",
    "$JS.API.DIRECT.GET.MAIL",
    "$JS.API.CONSUMER.CREATE.MAIL.*",
    "$JS.API.CONSUMER.MSG.NEXT.MAIL.*",
    "$JS.API.CONSUMER.INFO.MAIL.*",
    "$JS.API.CONSUMER.NAMES.MAIL",
    "$JS.API.STREAM.INFO.MAIL",
    "$JS.API.CONSUMER.DELETE.MAIL.*",
    "$JS.ACK.MAIL.*.>",
)


# No question waits longer for its answer. For so long NATS remembers the reply subject of every
# message that the user got, those of JetStream too, and looks at all of them again and again.
RESPONSE_SECONDS = 31


class Permissions(NamedTuple):
    """The subjects that one user may publish and subscribe. The server refuses all others."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    responses: bool

    def config(self) -> dict[str, Any]:
        """The user's `permissions` as nats.conf takes them (it reads JSON)."""
        allowed: dict[str, Any] = {"publish": {"allow": self.publish}, "subscribe": {"allow": self.subscribe}}
        answers = {"allow_responses": {"max": 1, "expires": f"{RESPONSE_SECONDS}s"}}
        return allowed | (answers if self.responses else {})


def permissions(service: str, publishes: Iterable[str], subscribes: Iterable[str]) -> Permissions:
    """What a service needs that publishes and subscribes these subjects, JetStream's API included.

    `events.` and `mail.` subjects among `subscribes` are read from their streams; requests on the
    others are answered.
    """
    published, subscribed = list(publishes), list(subscribes)
    events = [subject for subject in subscribed if _begins(subject, "events")]
    mails = [subject for subject in subscribed if _begins(subject, "mail")]
    answered = [subject for subject in subscribed if subject not in events and subject not in mails]
    everyone = [subject for subject in answered if _begins(subject, "everyone") or _begins(subject, "passing")]
    allowed = {*published, *STREAM_INFO, *(READ_MAIL if mails else ())}
    if any(_begins(subject, "lease") for subject in published):
        allowed |= {*READ_LEASES}
    if readable := [*events, *(subject for subject in published if _begins(subject, "events"))]:
        allowed |= {*_read_events(readable)}
    if readable or mails:
        allowed.add(RecordParked.subject_filter(subjects.token(service)))
    grouped = [subject for subject in answered if subject not in everyone]
    if mails:
        grouped.append(subjects.request(service, REDELIVER))
    subscriptions = [f"_INBOX_{service}.>", *everyone, *_in_own_group(service, grouped)]
    return Permissions(tuple(sorted(allowed)), tuple(sorted(subscriptions)), bool(answered or mails))


def _read_events(filters: Iterable[str]) -> Iterator[str]:
    """The requests that read these filters of EVENTS, and no others."""
    yield from READ_ALL_EVENTS if ALL_EVENTS in filters else READ_EVENTS
    for subject_filter in filters:
        yield f"$JS.API.CONSUMER.CREATE.EVENTS.*.{subject_filter}"


def _in_own_group(service: str, subjects: Iterable[str]) -> Iterator[str]:
    """Each subject in the service's own queue group, or in one below it."""
    for subject in subjects:
        yield f"{subject} {service}"
        yield f"{subject} {service}.*"


def _begins(subject: str, first: str) -> bool:
    return subject.split(".", 1)[0] in (first, "*", ">")
