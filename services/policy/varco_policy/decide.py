"""policy, a voter: may this account send this mail?"""  # a question is what it is

from collections.abc import Callable

from msgspec.structs import replace

from varco_common.events import Language, Notice
from varco_common.mail import link_eligibility
from varco_common.mail.ballot import Ballot, Vote, accept
from varco_common.mail.notices import notice
from varco_common.mail.replies import Reply
from varco_common.mail.senders import covering
from varco_common.mime import Defect
from varco_policy.attachments import first_forbidden
from varco_policy.model import Account

VOTER = "policy"
ACCEPT = accept(VOTER)
NO_ACCOUNT = Vote(voter=VOTER, reply=Reply.NOT_AUTHENTICATED, reason="the account is not, or no longer, open")

_UNCHANGED = {
    Language.EN: "\nIts attachments can't become links: it is signed, encrypted or of a broken structure.",
    Language.IT: "\nGli allegati non possono diventare link: il messaggio e' firmato, cifrato o di struttura difettosa.",
}

Rule = Callable[[Ballot, Account], Vote | None]

# What leaves it open who a mail claims to be from: refused even where any attachment may pass.
_AUTHOR_DEFECTS = frozenset(
    {
        Defect.HEADER_WITHOUT_COLON,
        Defect.BLANK_BEFORE_COLON,
        Defect.ODD_FIELD_NAME,
        Defect.BLANK_HEADER_LINE,
        Defect.HEADER_TOO_LONG,
        Defect.NUL,
        Defect.BARE_LINE_END,
        Defect.LONE_DOT,
        Defect.FROM_UNREADABLE,
        Defect.TOO_MANY_AUTHORS,
        Defect.MANIFEST_CUT,
        Defect.SCAN_FAILED,
    }
)


def decide(ballot: Ballot, account: Account | None) -> Vote:
    """First rule that objects wins; the order is the order in which a sender can mend things."""
    if account is None:
        return NO_ACCOUNT
    for rule in RULES:
        if objection := rule(ballot, account):
            return objection
    if ballot.envelope.size > account.rules.max_size:  # it passes for its links alone
        links = link_eligibility.convertible(ballot.manifest, account.links_over)
        return replace(ACCEPT, counts_on=tuple(part.path for part in links))
    return ACCEPT


def sender_authorised(ballot: Ballot, account: Account) -> Vote | None:
    """The envelope's sender, and every From and Sender address, must be on the account's list.

    The null sender (RFC 5321 4.5.5: receipts, reports) is nobody's: then a From must say whose mail it is.
    """
    sender, manifest = ballot.envelope.sender, ballot.manifest
    if sender and not covering(sender, account.senders):
        return _not_authorised(ballot, account, sender, "MAIL FROM")
    for seen, addresses in (("From", manifest.authors), ("Sender", manifest.senders)):
        for address in addresses:
            if address != sender and not covering(address, account.senders):
                return _not_authorised(ballot, account, address, seen)
    if not sender and not manifest.authors:
        return _not_authorised(ballot, account, "<>", "MAIL FROM")
    return _ambiguous(ballot, account, [word for word in manifest.defects if word in _AUTHOR_DEFECTS])


def login_known(ballot: Ballot, account: Account) -> Vote | None:
    """A session outlives the login that it began with: who was removed sends nothing more in it."""
    login = ballot.envelope.login.strip().lower()
    if not login or login in account.credentials:
        return None
    return _object(Reply.NOT_AUTHENTICATED, f"{login} is no login of {account.name} any more", "")


def recipients_within(ballot: Ballot, account: Account) -> Vote | None:
    count, limit = len(ballot.envelope.recipients), account.rules.max_recipients
    if count <= limit:
        return None
    text = _words(Notice.RECIPIENTS, ballot, account, limit=limit)
    return _object(Reply.TOO_MANY_RECIPIENTS, f"{count} recipients, at most {limit}", text)


def size_within(ballot: Ballot, account: Account) -> Vote | None:
    size, limit = leaving_size(ballot, account), account.rules.max_size
    if size <= limit:
        return None
    text = _words(Notice.SIZE, ballot, account, limit=limit)
    why = _whole(ballot, account)
    return _object(
        Reply.TOO_BIG, f"{size} bytes, at most {limit}{why}", text + _UNCHANGED[account.language] * bool(why)
    )


def attachments_safe(ballot: Ballot, account: Account) -> Vote | None:
    """No attachment that the rules forbid, and nothing in the mail's structure that could hide one."""
    if found := first_forbidden(ballot.manifest, account.rules):
        text = _words(Notice.ATTACHMENT, ballot, account, name=found.name)
        return _object(Reply.FORBIDDEN_ATTACHMENT, f"{found.name!r} {found.why}", text)
    if account.rules.attachments is None:
        return None
    return _ambiguous(ballot, account, [word for word in ballot.manifest.defects if word != Defect.FROM_MISSING])


RULES: tuple[Rule, ...] = (login_known, sender_authorised, recipients_within, size_within, attachments_safe)


def leaving_size(ballot: Ballot, account: Account) -> int:
    """The mail's size as it will leave, in bytes: what filelink turns into links is taken off here alone."""
    size = ballot.envelope.size
    return link_eligibility.leaving_size(size, ballot.manifest, account.links_over) if account.links_over else size


def _whole(ballot: Ballot, account: Account) -> str:
    """Why heavy attachments of this mail can't become links; empty where there are none, or they can."""
    if not account.links_over or not link_eligibility.parts_over(ballot.manifest, account.links_over):
        return ""
    why = link_eligibility.obstacle(ballot.manifest)
    return f"; it can't be given links: {why}" if why else ""


def _not_authorised(ballot: Ballot, account: Account, address: str, seen: str) -> Vote:
    text = _words(Notice.SENDER, ballot, account, sender=address, seen=seen, account=account.name)
    return _object(Reply.SENDER_NOT_AUTHORISED, f"{seen} {address} is not a sender of {account.name}", text)


def _ambiguous(ballot: Ballot, account: Account, defects: list[str]) -> Vote | None:
    if not defects:
        return None
    reason = ", ".join(defects)
    return _object(Reply.AMBIGUOUS_BODY, reason, _words(Notice.STRUCTURE, ballot, account, reason=reason))


def _words(kind: Notice, ballot: Ballot, voting: Account, **facts: object) -> str:
    own = voting.own_notice(kind)
    return notice(kind, voting.language, facts, own, smtputf8=ballot.envelope.smtputf8)


def _object(reply: Reply, reason: str, text: str) -> Vote:
    return Vote(voter=VOTER, reply=reply, reason=reason, text=text)
