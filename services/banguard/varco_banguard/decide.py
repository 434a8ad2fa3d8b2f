"""banguard's decisions, one event at a time: each is made from the state anew, so a crash between two of them loses nothing.

Whoever calls appends what it gets, waits until the state has it, and asks again until nothing is left to say.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from varco_banguard.ban_settings import BanSettings, ban_end
from varco_banguard.known_logins import KnownLogin
from varco_banguard.model import Ban, Host, accounts_of, counted_strikes, strikes_within, total_weight
from varco_common.events import (
    AuthCause,
    AuthFailed,
    BanRules,
    HostBanned,
    HostEvent,
    HostForgotten,
    HostFound,
    HostIgnored,
    HostUnbanned,
    LoginGuarded,
    MailRefused,
    NetworkIgnored,
    SenderAuthorised,
    Strike,
    StrikeCause,
    StrikesForgiven,
    UnbanCause,
)
from varco_common.events.ban_table import BanTable, address_of, banned_as, network_of
from varco_common.mail.ballot import Ballot, Vote, accept
from varco_common.mail.replies import Reply
from varco_common.mail.senders import covering

VOTER = "banguard"
CLOCK, HOSTS, GATE = "clock", "hosts", "gate"  # the figures in a vote; the clock in microseconds since 1970
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Position(NamedTuple):
    """How far banguard has followed each of what it votes by: the sequences of the last host's and the last gate's event."""

    hosts: int
    gate: int


class Attribution(NamedTuple):
    """When something is decided, who caused it, and what they said."""

    at: datetime
    by: str = VOTER
    reason: str = ""


Owner = Callable[[str], str]  # of a login, or of the network that a host is in; empty where there is none


def decide(ballot: Ballot, table: BanTable, now: datetime) -> Vote:
    """The vote: a banned host's mail is refused, whichever way it came in."""
    ban = table.banned(ballot.envelope.host, now)
    if ban is None:
        return accept(VOTER, table.sequence)
    until = f"until {ban.until:%Y-%m-%dT%H:%M:%SZ}" if ban.until else "for ever"
    return Vote(
        voter=VOTER, reply=Reply.HOST_BANNED, reason=f"{ban.network} is banned {until}", sequence=table.sequence
    )


def position_figures(stand: Position, now: datetime) -> dict[str, int]:
    """What a vote carries so that it can be cast again."""
    return {CLOCK: (now - _EPOCH) // timedelta(microseconds=1), HOSTS: stand.hosts, GATE: stand.gate}


def recorded_position(figures: Mapping[str, int]) -> tuple[Position, datetime] | None:
    """Where banguard stood, and when; None where the vote is older than its figures."""
    if not {CLOCK, HOSTS, GATE} <= figures.keys():
        return None
    return Position(figures[HOSTS], figures[GATE]), _EPOCH + timedelta(microseconds=figures[CLOCK])


def strike_of(sequence: int, event: object, rules: BanRules, login_owner: Owner, host_owner: Owner) -> Strike | None:
    """The strike that the event at this sequence is; None where it is none, or where the rules have its cause turned off."""
    match event:
        case AuthFailed(host=host) if host:
            cause = _CAUSES[event.cause]
            owner = event.account or login_owner(event.login.strip().lower()) or host_owner(host)
            more = {"login": event.login}
        case MailRefused(reply=Reply.SENDER_NOT_AUTHORISED) if host := event.ballot.envelope.host:
            envelope = event.ballot.envelope
            cause, owner = StrikeCause.SENDER_NOT_AUTHORISED, envelope.account
            more = {"login": envelope.login, "sender": envelope.sender, "mail": envelope.id}
        case _:
            return None
    if not (heavy := rules.strikes.get(cause, 1)):
        return None
    accounts = (owner,) if owner else ()
    return Strike(sequence=sequence, at=event.at, cause=cause, host=host, weight=heavy, accounts=accounts, **more)


def on_strike(
    strike: Strike, host: Host | None, gate: BanSettings, table: BanTable, *, now: datetime, chance: float
) -> HostEvent | None:
    """A new strike is found, or ignored; the one that fills the measure bans."""
    network = banned_as(strike.host)
    if host is None or strike.sequence > host.last:
        if ignored := _ignored(strike, gate, table):
            return HostIgnored(at=now, network=network, strike=strike, ignored=ignored)
        return HostFound(at=now, network=network, strike=strike)
    return ban_decision(host, gate.rules, now, chance)


def ban_decision(host: Host, rules: BanRules, now: datetime, chance: float) -> HostBanned | None:
    """A ban, where the strikes within findtime weigh enough and there is none yet."""
    strikes = strikes_within(host.strikes, rules.findtime, now)
    if host.ban or total_weight(strikes) < rules.maxretry:
        return None
    earlier = bans_in_a_row(host, rules, now)
    return HostBanned(
        at=now,
        by=VOTER,
        network=host.network,
        until=ban_end(rules, earlier, now, chance),
        count=earlier + 1,
        strikes=strikes,
    )


def bans_in_a_row(host: Host | None, rules: BanRules, now: datetime) -> int:
    """fail2ban's dbpurgeage: what is older is forgotten."""
    if host is None or host.banned_at is None:
        return 0
    return host.bans if now - host.banned_at < timedelta(seconds=rules.dbpurgeage) else 0


def on_authorised(event: SenderAuthorised, host: Host, rules: BanRules, now: datetime) -> HostEvent | None:
    """The strikes for a sender that is authorised by now no longer count, and no ban rests on them."""
    forgiven = tuple(
        strike.sequence
        for strike in counted_strikes(host)
        if strike.sender and event.account in strike.accounts and covering(strike.sender, (event.pattern,))
    )
    return forgive(host, forgiven, rules, Attribution(now, reason=f"{event.account} authorised {event.pattern}"))


def forgive(host: Host, strikes: tuple[int, ...], rules: BanRules, said: Attribution) -> HostEvent | None:
    """Takes these strikes back; then lifts the ban that they alone made full. Bans by hand rest on no strikes."""
    if strikes:
        return StrikesForgiven(at=said.at, network=host.network, strikes=strikes, by=said.by, reason=said.reason)
    if host.ban and host.ban.by == VOTER and total_weight(host.ban.strikes) < rules.maxretry:
        return _unbanned(host, host.ban, UnbanCause.FORGIVEN, said)
    return None


def on_ignored(event: NetworkIgnored, host: Host, rules: BanRules, now: datetime) -> HostEvent | None:
    """Ends the ban of a host in a network that is ignored from now on; an account's ignoring takes its strikes back."""
    if not host.ban and not host.strikes:
        return None
    ignored, own = network_of(event.network), network_of(host.network)
    if not (ignored.version == own.version and own.subnet_of(ignored)):  # type: ignore[arg-type] # same version
        return None
    if event.account:
        scoped = tuple(strike.sequence for strike in counted_strikes(host) if event.account in strike.accounts)
        return forgive(host, scoped, rules, Attribution(now, event.by, event.reason))
    if host.ban:
        return _unbanned(host, host.ban, UnbanCause.IGNORED, Attribution(now, event.by, event.reason))
    return None


def lift(host: Host, said: Attribution) -> HostUnbanned | None:
    """By hand."""
    if not host.ban:
        return None
    return _unbanned(host, host.ban, UnbanCause.LIFTED, said)


def on_time(host: Host, rules: BanRules, now: datetime) -> HostUnbanned | HostForgotten | None:
    """What time alone brings: a ban's end, and that nothing of the host matters any more."""
    if host.ban:
        due = host.ban.until is not None and host.ban.until <= now
        return _unbanned(host, host.ban, UnbanCause.EXPIRED, Attribution(now)) if due else None
    keep = max(rules.findtime, rules.dbpurgeage if host.bans else 0)
    if now - host.seen_at > timedelta(seconds=keep):
        return HostForgotten(at=now, network=host.network, by=VOTER)
    return None


def on_guess(login: KnownLogin | None, name: str, rules: BanRules, now: datetime) -> LoginGuarded | None:
    """Guards a login that many unknown hosts fail at; said again while it goes on, at most each half of its time."""
    if login is None:
        return None
    half = timedelta(seconds=rules.guard_bantime / 2)
    if login.guarded_until and login.guarded_until - now > half:
        return None
    since = now - timedelta(seconds=rules.findtime)
    tried = sum(at > since for host, at in login.tries.items() if host not in login.known)
    if tried < rules.guard_maxhosts:
        return None
    until = now + timedelta(seconds=rules.guard_bantime)
    known = tuple(login.known)
    return LoginGuarded(at=now, by=VOTER, login=name, account=login.account, until=until, known=known, tried=tried)


def _ignored(strike: Strike, gate: BanSettings, table: BanTable) -> str:
    """The network that keeps this strike from counting; empty for none."""
    if exempt := table.exempt(address_of(strike.host)):
        return str(exempt)
    return next((ignored.network for ignored in gate.ignored if ignored.covers(strike)), "")


def _unbanned(host: Host, ban: Ban, cause: UnbanCause, said: Attribution) -> HostUnbanned:
    return HostUnbanned(
        at=said.at,
        by=said.by,
        reason=said.reason,
        network=host.network,
        cause=cause,
        accounts=accounts_of(ban.strikes),
    )


_CAUSES = {cause: StrikeCause(cause.value) for cause in AuthCause}
