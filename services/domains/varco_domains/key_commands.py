"""Commands on the DKIM keys of a domain: from its state and a request to the changes. Pure."""

from collections.abc import Collection, Mapping

from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.events import DkimAlgorithm, DkimKeyActivated, DkimKeyMade, DkimKeyRetired
from varco_common.events.domain_table import AccountDomain, AccountDomains
from varco_common.eventsourcing.commands import Change, CommandContext
from varco_common.mail.dkim_keys import DkimKeyAnswer
from varco_domains import dkim

NewKeys = Mapping[DkimAlgorithm, DkimKeyAnswer]


def first_keys(
    state: AccountDomains, context: CommandContext, name: str, keys: NewKeys, taken: Collection[str] = ()
) -> list[Change]:
    """No change if the domain has keys, or is gone. `taken` are the selectors of other accounts."""
    domain = state.domains.get(name)
    return _made(domain, context, keys, taken) if domain and not domain.keys else []


def next_keys(
    state: AccountDomains, context: CommandContext, name: str, keys: NewKeys, taken: Collection[str] = ()
) -> list[Change]:
    """Makes the keys that replace the present ones once their records are seen."""
    return _made(rotatable(state, name), context, keys, taken)


def rotatable(state: AccountDomains, name: str) -> AccountDomain:
    """The domain, if it may get new keys. Raises NotFound or RefusedCommand."""
    domain = state.domains.get(name)
    if not domain:
        raise NotFound(f"{name} is not among the domains of {state.account}")
    if not any(key.signs for key in domain.keys.values()) and dkim.waiting_keys(domain):
        raise RefusedCommand("there is a key that does not sign yet: publish its record first")
    generation = dkim.newest(domain)
    if any(key.generation == generation and key.active_since is None for key in domain.keys.values()):
        raise RefusedCommand("the next key is there already: publish its record, then it takes over")
    if replaced := [key.replaced_at for key in domain.keys.values() if key.replaced_at]:
        at = max(replaced) + dkim.RETIRES_AFTER
        raise RefusedCommand(f"the key before retires on {at:%Y-%m-%d}: until then its selector is in use")
    return domain


def activate(state: AccountDomains, context: CommandContext, name: str, selector: str) -> list[Change]:
    """The record was seen. No change if it signs already, or is gone."""
    domain = state.domains.get(name)
    key = domain.keys.get(selector) if domain else None
    if not key or key.active_since or key.replaced_at:
        return []
    event = context.event(DkimKeyActivated, domain=name, selector=selector)
    return [Change("change", "DKIM key", f"{selector} of {name}", "signs from now on", event)]


def retire(state: AccountDomains, context: CommandContext, name: str) -> list[Change]:
    """Forgets the keys that were replaced long ago."""
    domain = state.domains.get(name)
    keys = dkim.retiring_keys(domain, context.at) if domain else []
    events = [context.event(DkimKeyRetired, domain=name, selector=key.selector) for key in keys]
    return [Change("remove", "DKIM key", f"{event.selector} of {name}", "", event) for event in events]


def _made(domain: AccountDomain, context: CommandContext, keys: NewKeys, taken: Collection[str]) -> list[Change]:
    generation = dkim.newest(domain) + 1
    events = [
        context.event(
            DkimKeyMade,
            domain=domain.name,
            selector=dkim.selector(generation, algorithm, context.account, taken),
            algorithm=algorithm,
            generation=generation,
            public=key.public,
            secret=key.secret,
        )
        for algorithm, key in keys.items()
    ]
    return [
        Change("add", "DKIM key", f"{event.selector} of {domain.name}", str(event.algorithm), event) for event in events
    ]
