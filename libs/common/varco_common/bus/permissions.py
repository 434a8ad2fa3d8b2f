"""What each service may say and hear on the bus: made from its declaration, written into the server's configuration.

| use of the Bus | publish | subscribe |
|---|---|---|
| any | LOOKING | `_INBOX_<service>.>`: nobody else's answers |
| append, last_sequence | `events.<service>.>`, `$JS.API.STREAM.MSG.GET.EVENTS` | - |
| follow, until, since, hear | FOLLOWING, `events.parked.record-parked.<service>` | the events' filters |
| append_mail | `mail.<kind>.*` | - |
| lease, take_lease | `lease.<service>`, LEASING | - |
| pull, records, mail, forget_puller | PULLING, `events.parked.record-parked.<service>` | `ask.<self>.redeliver` |
| acknowledged, durables, first_of_mail, last_of_mail | as pull | - |
| erase, purge | ERASING, which is declared by name | - |
| collect, ask | `ballot.*`, `ask.<service>.<question>` | - |
| ask_everyone | `everyone.<question>` | - |
| answer_too | once to each message's reply subject (`allow_responses`) | `everyone.<question>` |
| serve_voter, answer | once to each message's reply subject (`allow_responses`) | `ballot.*`, `ask.<self>.*`, in the own group |

Two limits of NATS: consumer names are single tokens, so who may pull from MAIL could touch another's consumer there; and who may
follow any event may follow all of EVENTS (which holds no bodies). A third, that who may read a stream could have the server's
answer put into another one, is met where messages are read (`wire.diverted`).
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from varco_common.base import subjects
from varco_common.bus.redelivery import REDELIVER
from varco_common.events import RecordParked

LOOKING = ("$JS.API.STREAM.INFO.MAIL", "$JS.API.STREAM.INFO.EVENTS")
FOLLOWING = (
    "$JS.API.STREAM.MSG.GET.EVENTS",
    "$JS.API.DIRECT.GET.EVENTS",
    "$JS.API.CONSUMER.CREATE.EVENTS.*",
    "$JS.API.CONSUMER.MSG.NEXT.EVENTS.*",
    "$JS.API.CONSUMER.DELETE.EVENTS.*",
)
ERASING = ("$JS.API.STREAM.MSG.DELETE.MAIL", "$JS.API.STREAM.PURGE.MAIL")
LEASING = ("$JS.API.STREAM.MSG.GET.LEASES",)
PULLING = (
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


class Permissions(NamedTuple):
    """The subjects that one user may publish and subscribe; all else is refused."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    responses: bool

    def config(self) -> dict[str, Any]:
        """The user's `permissions` as nats.conf takes them (it reads JSON)."""
        allowed: dict[str, Any] = {"publish": {"allow": self.publish}, "subscribe": {"allow": self.subscribe}}
        return allowed | ({"allow_responses": {"max": 1, "expires": "1m"}} if self.responses else {})


def permissions(service: str, publishes: Iterable[str], subscribes: Iterable[str]) -> Permissions:
    """What a service needs that publishes and subscribes these subjects, the JetStream API's included.

    `events.` and `mail.` subjects among `subscribes` are followed and pulled from their streams; all others are answered.
    """
    said, heard = list(publishes), list(subscribes)
    events = [subject for subject in heard if _of(subject, "events")]
    mails = [subject for subject in heard if _of(subject, "mail")]
    answered = [subject for subject in heard if subject not in events and subject not in mails]
    common = [subject for subject in answered if _of(subject, "everyone")]
    allowed = {*said, *LOOKING, *(PULLING if mails else ())}
    if any(_of(subject, "lease") for subject in said):
        allowed |= {*LEASING}
    if events or any(_of(subject, "events") for subject in said):
        allowed |= {*FOLLOWING}
    if events or mails:
        allowed.add(RecordParked.subject_filter(subjects.token(service)))
    grouped = [subject for subject in answered if subject not in common]
    if mails:
        grouped.append(subjects.request(service, REDELIVER))
    listened = [f"_INBOX_{service}.>", *events, *common, *_grouped(service, grouped)]
    return Permissions(tuple(sorted(allowed)), tuple(sorted(listened)), bool(answered or mails))


def _grouped(service: str, subjects: Iterable[str]) -> Iterator[str]:
    """In the service's own group, or in one below it."""
    for subject in subjects:
        yield f"{subject} {service}"
        yield f"{subject} {service}.*"


def _of(subject: str, first: str) -> bool:
    return subject.split(".", 1)[0] in (first, "*", ">")
