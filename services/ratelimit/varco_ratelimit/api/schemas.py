"""How quotas are written in account files and over HTTP, in both directions."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator

from varco_common.base import units
from varco_common.base.errors import RefusedCommand
from varco_common.base.merge_patch import is_off, merged
from varco_common.events import Limit, Meter, Quotas, Window
from varco_common.eventsourcing.commands import Change, CommandContext
from varco_common.runtime.documents import parsed
from varco_ratelimit import commands
from varco_ratelimit.commands import ExceptionRequest
from varco_ratelimit.model import AccountQuotas, QuotaException, sender_key

MAX_LIMIT = 10**15
ACCOUNT = r"^[a-z0-9][a-z0-9-]{0,62}$"
UNLIMITED = "unlimited"

QuotaCommand = Callable[[AccountQuotas, CommandContext], list[Change]]

_PER = {"hour": "1 hour", "1h": "1 hour", "day": "1 day", "1d": "1 day", "24 hours": "1 day"}


class Form(BaseModel):
    """A field that is misspelt is an error."""

    model_config = ConfigDict(extra="forbid")


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


class LimitForm(Form):
    """At most `limit` in a window.

    The window is `1 hour`, `1 day` (the last 24 hours) or `calendar day` (in the account's time
    zone).
    """

    limit: Annotated[
        int, BeforeValidator(_number, json_schema_input_type=int | str), Field(ge=0, le=MAX_LIMIT, examples=[500])
    ]
    per: Annotated[
        Window, BeforeValidator(lambda value: _PER.get(value, value) if isinstance(value, str) else value)
    ] = Window.DAY

    def value(self) -> Limit:
        return Limit(limit=self.limit, per=self.per)


OneLimit = Annotated[
    LimitForm | None,
    BeforeValidator(_or_none, json_schema_input_type=LimitForm | int | Literal["unlimited"] | None),
]
AnyLimit = Annotated[
    LimitForm | Literal["unlimited"], BeforeValidator(_per_day, json_schema_input_type=LimitForm | int | str)
]


class LimitsForm(Form):
    """Meters that are left out have no limit."""

    messages: OneLimit = None
    recipients: OneLimit = None
    bytes: OneLimit = None
    first_time_recipients: OneLimit = None

    def limits(self) -> dict[Meter, Limit]:
        forms = {meter: getattr(self, meter.value) for meter in Meter}
        return {meter: form.value() for meter, form in forms.items() if form}


class ExceptForm(Form):
    """Other limits, or none (`unlimited`); a meter that is left out keeps the account's."""

    messages: AnyLimit | None = None
    recipients: AnyLimit | None = None
    bytes: AnyLimit | None = None
    first_time_recipients: AnyLimit | None = None
    until: datetime | date | None = Field(
        default=None,
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
        return ExceptionRequest(pattern(sender), self.limits(), self._ends(time_zone), reason)

    def _ends(self, time_zone: str) -> datetime | None:
        if self.until is None:
            return None
        until = self.until if isinstance(self.until, datetime) else datetime.combine(self.until, time())
        try:
            return (until if until.tzinfo else until.replace(tzinfo=ZoneInfo(time_zone))).astimezone(UTC)
        except OverflowError:
            raise RefusedCommand(f"{until.isoformat()} is beyond every calendar") from None


class ExceptionForm(ExceptForm):
    """One exception in an account file."""

    sender: str = Field(max_length=320, examples=["news@acme.example", "@lists.acme.example"])
    reason: str = Field(min_length=3, max_length=1_000)


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("a time zone such as Europe/Rome or UTC is expected")
    return name


class QuotasForm(LimitsForm):
    """The `quotas` section of an account file.

    Limits for each sender, for the whole `account`, and exceptions.

    `answer` 550 refuses the excess for good, 450 for now. `exceptions` left out are left as they
    are.
    """

    account: LimitsForm | None = None
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    answer: Literal[450, 550] = 450
    exceptions: list[ExceptionForm] | None = Field(default=None, max_length=10_000)

    def quotas(self) -> Quotas:
        whole = self.account.limits() if self.account else {}
        return Quotas(senders=self.limits(), whole=whole, time_zone=self.time_zone, permanent=self.answer == 550)


def _off(value: Any) -> Any:
    """`quotas: off`: no limits at all, and no exceptions."""
    return None if is_off(value) else value


Section = Annotated[
    QuotasForm | None, BeforeValidator(_off, json_schema_input_type=QuotasForm | Literal["off", False] | None)
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
