"""What an account's own token may change of its link settings and links (ADR 9). Pure."""

from datetime import datetime, timedelta

from varco_filelink.commands import DesiredLinkSettings
from varco_filelink.model.account_settings import LinkSettings


def settings_refusal(current: LinkSettings | None, desired: DesiredLinkSettings | None, max_keep: timedelta) -> str:
    """Why the token may not make this change; empty if it may. `desired` None turns links off.

    Links lift the size limit of uploads that the operator has set, and take room: whether an
    account has them, and how long its files are kept, is the operator's decision.
    """
    if desired is None:
        return ""
    if current is None or not current.over:
        return "only an admin may turn links on: they lift the size limit of mails"
    if desired.keep > max(max_keep, current.keep):
        return f"only an admin may keep files for more than {max_keep.days} days"
    return ""


def extension_refusal(until: datetime, now: datetime, max_keep: timedelta) -> str:
    """As `settings_refusal`, for a link that is to live until then."""
    if until > now + max_keep:
        return f"only an admin may keep a file for more than {max_keep.days} days from now"
    return ""
