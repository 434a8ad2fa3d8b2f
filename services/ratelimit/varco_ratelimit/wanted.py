"""From the `quotas` section of an account file to the changes that lead there."""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BeforeValidator

from varco_ratelimit import changes, forms
from varco_ratelimit.account import AccountQuotas
from varco_ratelimit.changes import Change, Said, Wish

Planned = Callable[[AccountQuotas, Said], list[Change]]
Section = Annotated[
    forms.QuotasForm | None,
    BeforeValidator(forms.section, json_schema_input_type=forms.QuotasForm | Literal["off", False] | None),
]


def plan(form: forms.QuotasForm | None) -> Planned:
    """All limits: those left out are gone. Exceptions only where there are some in it. None: no limits."""
    wanted = form or forms.QuotasForm(exceptions=[])

    def planned(held: AccountQuotas, said: Said) -> list[Change]:
        made = changes.set_quotas(held, said, wanted.quotas())
        if wanted.exceptions is not None:
            wishes = [wish(one.sender, one, wanted.time_zone, one.reason) for one in wanted.exceptions]
            made += changes.put_exceptions(held, said, wishes)
        return made

    return planned


def wish(sender: str, form: forms.ExceptForm, zone: str, reason: str) -> Wish:
    """One exception. Raises RefusedCommand where it can't be read."""
    return Wish(forms.pattern(sender), form.limits(), form.ends(zone), reason)
