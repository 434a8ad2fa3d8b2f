"""Commands that hold all mail of an account, and those for mails in the queue.

From a request to the events that carry it out. Pure.
"""

from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.events import (
    DeliveryHeld,
    DeliveryReleased,
    MailDropped,
    MailHeld,
    MailReleased,
    MailRetryRequested,
)
from varco_common.eventsourcing.commands import Change, CommandContext
from varco_relay.model.account_route import AccountRoute
from varco_relay.model.queue import QueuedMail
from varco_relay.model.untried_mail import UntriedMail


def hold_account(state: AccountRoute | None, context: CommandContext) -> list[Change]:
    """No mail of the account is tried until it is released. No change if it is held already."""
    if state and state.hold:
        return []
    return [Change("add", "hold", "of all mail", "", context.event(DeliveryHeld))]


def release_account(state: AccountRoute | None, context: CommandContext) -> list[Change]:
    """Raises NotFound if the account's mail is not held."""
    if not state or not state.hold:
        raise NotFound(f"the mail of {context.account} isn't held")
    return [Change("remove", "hold", "of all mail", "", context.event(DeliveryReleased))]


def retry_mail(state: QueuedMail, context: CommandContext) -> MailRetryRequested:
    """Makes a mail due at once. Raises RefusedCommand for a mail that is held."""
    if state.held:
        raise RefusedCommand(f"{state.mail} is held: release it instead")
    return context.event(MailRetryRequested, mail=state.mail, sequence=state.sequence)


def retry_unless_held(state: QueuedMail, context: CommandContext) -> MailRetryRequested | None:
    """As `retry_mail`, for one of many: it may have been held since the command began."""
    return None if state.held else retry_mail(state, context)


def hold_mail(state: QueuedMail, context: CommandContext) -> MailHeld | None:
    """No attempt is made until the mail is released. None if it is held already."""
    return None if state.held else context.event(MailHeld, mail=state.mail, sequence=state.sequence)


def release_mail(state: QueuedMail, context: CommandContext) -> MailReleased:
    """Makes a held mail due at once. Raises RefusedCommand for one that is not held."""
    if not state.held:
        raise RefusedCommand(f"{state.mail} isn't held")
    return context.event(MailReleased, mail=state.mail, sequence=state.sequence)


def drop_mail(state: QueuedMail | UntriedMail, context: CommandContext) -> MailDropped:
    """Gives the mail up for every recipient that waits, without a DSN."""
    return context.event(MailDropped, mail=state.mail, sequence=state.sequence, recipients=state.recipients)
