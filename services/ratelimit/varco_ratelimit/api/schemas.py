"""How quotas are written in account files and over HTTP, in both directions."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator

from varco_common.base import units
from varco_common.base.errors import RefusedCommand
from varco_common.base.merge_patch import is_off, merged
from varco_common.base.mistakes import TIME_EXPECTED
from varco_common.base.time_zones import in_utc, known_zone
from varco_common.events import Limit, Meter, Quotas, Window
from varco_common.eventsourcing.commands import Change, CommandContext
from varco_common.runtime.documents import parsed
from varco_common.runtime.request_model import StrictModel, none_if_off
from varco_ratelimit import commands
from varco_ratelimit.commands import ExceptionRequest
from varco_ratelimit.model import AccountQuotas, QuotaException, sender_key

MAX_LIMIT = 10**15
UNLIMITED = "unlimited"

QuotaCommand = Callable[[AccountQuotas, CommandContext], list[Change]]

_PER = {"hour": "1 hour", "1h": "1 hour", "day": "1 day", "1d": "1 day", "24 hours": "1 day"}


def _number(value: Any) -> Any:
    return units.parse_size(value) if isinstance(value, str) else value


def _per_day(value: Any) -> Any:
    """A number alone is a limit per day."""
    if UNLIMITED in (value, value.get("limit") if isinstance(value, dict) else ""):
        return UNLIMITED
    return {"limit": value} if isinstance(value, int | str) else value


def _or_none(value: Any) -> Any:
    """As `_per_day`; where no limit is set, `unlimited` says nothing more."""
    return None if is_off(value) or (limit := _per_day(value)) == UNLIMITED else limit


def _limit(description: str, example: int | str = 500) -> Any:
    amount = "a size such as 1GB" if isinstance(example, str) else f"a number, such as {example}"
    return Field(
        default=None,
        description=description,
        examples=[example, {"limit": example, "per": "1 day"}],
        json_schema_extra={"expected": f"{amount}, or {{limit: {example}, per: 1 day}}"},
    )


class LimitForm(StrictModel):
    """At most `limit` in a window.

    The window is `1 hour`, `1 day` (the last 24 hours) or `calendar day` (in the account's time
    zone).
    """

    model_config = ConfigDict(json_schema_extra={"examples": [500, {"limit": 500, "per": "1 day"}]})

    limit: Annotated[int, BeforeValidator(_number, json_schema_input_type=int | str), Field(ge=0, le=MAX_LIMIT)] = (
        Field(
            description="The most that passes in one window; bytes are a size.",
            examples=[500],
            json_schema_extra={"expected": "a number, such as 500, or {limit: 500, per: 1 day}"},
        )
    )
    per: Annotated[
        Window, BeforeValidator(lambda value: _PER.get(value, value) if isinstance(value, str) else value)
    ] = Field(
        default=Window.DAY,
        description="`1 hour`, `1 day` (the last 24 hours), or `calendar day` (until midnight in `time_zone`).",
        examples=["1 hour"],
    )

    def value(self) -> Limit:
        return Limit(limit=self.limit, per=self.per)


class ByteLimitForm(LimitForm):
    """As LimitForm, for bytes."""

    limit: Annotated[int, BeforeValidator(_number, json_schema_input_type=int | str), Field(ge=0, le=MAX_LIMIT)] = (
        Field(
            description="The most that passes in one window.",
            examples=["1GB"],
            json_schema_extra={"expected": "a size such as 1GB, or {limit: 1GB, per: 1 day}"},
        )
    )


_WORDS = Literal["unlimited"]
OneLimit = Annotated[LimitForm | None, BeforeValidator(_or_none, json_schema_input_type=LimitForm | int | str | None)]
OneByteLimit = Annotated[
    ByteLimitForm | None, BeforeValidator(_or_none, json_schema_input_type=ByteLimitForm | int | str | None)
]
AnyLimit = Annotated[LimitForm | _WORDS, BeforeValidator(_per_day, json_schema_input_type=LimitForm | int | str)]
AnyByteLimit = Annotated[
    ByteLimitForm | _WORDS, BeforeValidator(_per_day, json_schema_input_type=ByteLimitForm | int | str)
]


class LimitsForm(StrictModel):
    """Meters that are left out have no limit."""

    messages: OneLimit = _limit("Mails of one sender.")
    recipients: OneLimit = _limit("Recipients of one sender's mails.")
    bytes: OneByteLimit = _limit("Bytes of one sender's mails.", "1GB")
    first_time_recipients: OneLimit = _limit("Recipients that the sender hasn't written to in 90 days.", 50)

    def limits(self) -> dict[Meter, Limit]:
        forms = {meter: getattr(self, meter.value) for meter in Meter}
        return {meter: form.value() for meter, form in forms.items() if form}


class ExceptForm(StrictModel):
    """Other limits, or none (`unlimited`); a meter that is left out keeps the account's."""

    messages: AnyLimit | None = _limit("Mails of the sender, or `unlimited`.", 5000)
    recipients: AnyLimit | None = _limit("Recipients of the sender's mails, or `unlimited`.", 9000)
    bytes: AnyByteLimit | None = _limit("Bytes of the sender's mails, or `unlimited`.", "5GB")
    first_time_recipients: AnyLimit | None = _limit("Recipients that are new to the sender, or `unlimited`.", 500)
    until: datetime | date | None = Field(
        default=None,
        examples=["2026-12-24"],
        json_schema_extra={"expected": TIME_EXPECTED},
        description="When it ends; without an offset, in the account's time zone. A date: its first moment.",
    )

    @model_validator(mode="after")
    def _names_a_meter(self) -> "ExceptForm":
        if not self.limits():
            raise ValueError(
                "an exception names one meter at least: messages, recipients, bytes, first_time_recipients"
            )
        return self

    def limits(self) -> dict[Meter, Limit | None]:
        forms = {meter: getattr(self, meter.value) for meter in Meter}
        return {meter: form.value() if isinstance(form, LimitForm) else None for meter, form in forms.items() if form}

    def exception_request(self, sender: str, time_zone: str, reason: str) -> ExceptionRequest:
        """Raises RefusedCommand where the sender or the end can't be read."""
        until = in_utc(self.until, time_zone) if self.until else None
        return ExceptionRequest(pattern(sender), self.limits(), until, reason)


class ExceptionForm(ExceptForm):
    """One exception in an account file."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"sender": "news@acme.example", "messages": 5000, "reason": "Christmas letter"}]
        }
    )

    sender: str = Field(
        max_length=320,
        description="An address, or `@domain`.",
        examples=["news@acme.example", "@lists.acme.example"],
    )
    reason: str = Field(
        min_length=3, max_length=1_000, description="Why, of at least 3 characters.", examples=["Christmas letter"]
    )


class QuotasForm(LimitsForm):
    """The `quotas` section of an account file.

    Limits for each sender, for the whole `account`, and exceptions.

    `answer` 550 refuses the excess for good, 450 for now. `exceptions` left out are left as they
    are.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"messages": 500, "bytes": "1GB"}, "off"]})

    account: LimitsForm | None = Field(
        default=None,
        description="Limits for all mail of the account together, with the same keys.",
        examples=[{"messages": 5000}],
    )
    time_zone: Annotated[str, AfterValidator(known_zone)] = Field(
        default="UTC", description="The time zone of calendar days, and of `until`.", examples=["Europe/Rome"]
    )
    answer: Literal[450, 550] = Field(
        default=450,
        description="What a client hears over a limit: 450 (try again later) or 550 (give up).",
        examples=[550],
    )
    exceptions: list[ExceptionForm] | None = Field(
        default=None,
        max_length=10_000,
        description="Other limits for some senders; the narrowest one holds.",
        examples=[
            [{"sender": "news@acme.example", "messages": 5000, "until": "2026-12-24", "reason": "Christmas letter"}]
        ],
    )

    def quotas(self) -> Quotas:
        whole = self.account.limits() if self.account else {}
        return Quotas(senders=self.limits(), whole=whole, time_zone=self.time_zone, permanent=self.answer == 550)


# `quotas: off`: no limits at all, and no exceptions.
Section = Annotated[
    QuotasForm | None, BeforeValidator(none_if_off, json_schema_input_type=QuotasForm | Literal["off", False] | None)
]


_FORM: TypeAdapter[QuotasForm] = TypeAdapter(QuotasForm)
_SHORT = {meter.value: "limit" for meter in Meter}  # `messages: 500`


def quotas_command(form: QuotasForm | None) -> QuotaCommand:
    """Sets all limits: those that are left out are gone.

    Exceptions only where the form has some. None: no limits at all.
    """
    wanted = form or QuotasForm(exceptions=[])

    def command(account: AccountQuotas, context: CommandContext) -> list[Change]:
        changes = commands.set_quotas(account, context, wanted.quotas())
        if wanted.exceptions is not None:
            requests = [e.exception_request(e.sender, wanted.time_zone, e.reason) for e in wanted.exceptions]
            changes += commands.put_exceptions(account, context, requests)
        return changes

    return command


def quotas_patch(patch: Any, *place: str) -> QuotaCommand:
    """Changes what the patch names: what it leaves out stays, null removes.

    An exception leaves out what stays as it is, too; those that aren't in the list are gone.
    The command raises RequestValidationError, with `place` before the place in the section.
    """

    def command(account: AccountQuotas, context: CommandContext) -> list[Change]:
        if is_off(patch):
            return quotas_command(None)(account, context)
        return quotas_command(parsed(_FORM, _patched(account, patch), *place))(account, context)

    return command


def _patched(account: AccountQuotas, patch: Any) -> Any:
    """The whole section after the patch; without exceptions if it names none."""
    current = document(account) or {}
    exceptions = {exception["sender"]: exception for exception in current.pop("exceptions", ())}
    result = merged(current, patch, _SHORT)
    if isinstance(patch, dict) and "exceptions" in patch:
        entries = patch["exceptions"]
        result["exceptions"] = [] if is_off(entries) else _entries(entries, exceptions)
    return result


def _entries(entries: Any, exceptions: Mapping[str, dict[str, Any]]) -> Any:
    if not isinstance(entries, list):
        return entries
    return [
        merged(exceptions.get(_pattern_or_none(entry.get("sender"))), entry, _SHORT)
        if isinstance(entry, dict)
        else entry
        for entry in entries
    ]


def _pattern_or_none(sender: Any) -> str:
    try:
        return pattern(str(sender))
    except RefusedCommand:
        return ""


def document(account: AccountQuotas) -> dict[str, Any] | None:
    """As an account file has it; None where nothing is set."""
    quotas = account.quotas
    section = _limits(quotas.senders)
    if quotas.whole:
        section["account"] = _limits(quotas.whole)
    if quotas.time_zone != "UTC":
        section["time_zone"] = quotas.time_zone
    if quotas.permanent:
        section["answer"] = 550
    if account.exceptions:
        section["exceptions"] = [_exception(exception) for exception in account.exceptions.values()]
    return section or None


def pattern(text: str) -> str:
    """`a@b.c`, `@b.c` (a domain) or `@.b.c` (its subdomains), as `senders.covering` reads it.

    Raises RefusedCommand.
    """
    local, _, domain = sender_key(text).rpartition("@")
    if "@" not in text or not domain.strip(".") or any(c.isspace() for c in local + domain):
        raise RefusedCommand(f"{text!r} is no sender: write a@acme.example or @acme.example")
    return f"{local}@{domain}"


def _exception(exception: QuotaException) -> dict[str, Any]:
    until = {"until": exception.until.isoformat()} if exception.until else {}
    return {
        "sender": exception.pattern,
        **_limits(exception.limits),
        **until,
        "reason": exception.reason or "not given",
    }


def _limits(limits: Mapping[Meter, Limit | None]) -> dict[str, Any]:
    return {
        meter.value: {"limit": _amount(meter, limit.limit), "per": limit.per.value} if limit else UNLIMITED
        for meter, limit in limits.items()
    }


def _amount(meter: Meter, limit: int) -> int | str:
    return units.format_size(limit) if meter is Meter.BYTES and limit >= 1000 else limit
