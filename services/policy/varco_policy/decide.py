"""policy's vote on a mail: may this account send it? Pure."""

from collections.abc import Callable

from msgspec.structs import replace

from varco_common.events import Choice, Notice
from varco_common.mail import link_eligibility
from varco_common.mail.ballot import Ballot, Vote, accept
from varco_common.mail.replies import Reply
from varco_common.mail.sender_patterns import narrowest_pattern
from varco_common.mime import Defect, Manifest
from varco_policy.attachments import first_forbidden
from varco_policy.model.account import Account

VOTER = "policy"
ACCEPT = accept(VOTER)
NO_ACCOUNT = Vote(voter=VOTER, reply=Reply.NOT_AUTHENTICATED, reason="the account is not, or no longer, open")

Rule = Callable[[Ballot, Account], Vote | None]

# Because of these it is unclear whom a mail claims to be from. Refused even if any attachment may
# pass.
_AUTHOR_DEFECTS = frozenset(
    {
        Defect.HEADER_WITHOUT_COLON,
        Defect.BLANK_BEFORE_COLON,
        Defect.ODD_FIELD_NAME,
        Defect.BLANK_HEADER_LINE,
        Defect.BLANK_BEFORE_HEADER,
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
    """The first rule that objects decides.

    The order is the one in which a sender can correct a mail.
    """
    if account is None:
        return NO_ACCOUNT
    for rule in RULES:
        if objection := rule(ballot, account):
            return objection
    if ballot.envelope.size > account.rules.max_size:  # only acceptable once these parts are links
        links = link_eligibility.convertible(ballot.manifest, account.links_over)
        return replace(ACCEPT, counts_on=tuple(part.path for part in links))
    return ACCEPT


def sender_authorised(ballot: Ballot, account: Account) -> Vote | None:
    """The envelope's sender, and every From and Sender address, must be on the account's list.

    A mail with the null sender (RFC 5321 4.5.5: receipts, reports) must have a From address.
    """
    sender, manifest = ballot.envelope.sender, ballot.manifest
    if sender and not narrowest_pattern(sender, account.senders):
        return _not_authorised(ballot, account, sender, "MAIL FROM")
    if Defect.FROM_UNREADABLE in manifest.defects:  # what it holds may be no address that anybody wrote
        reason = ", ".join(manifest.defects)
        return _object(Reply.AMBIGUOUS_BODY, reason, _notice(Notice.AUTHOR, ballot, account))
    for seen, addresses in (("From", manifest.authors), ("Sender", manifest.senders)):
        for address in addresses:
            if address != sender and not narrowest_pattern(address, account.senders):
                return _not_authorised(ballot, account, address, seen)
    if not sender and not manifest.authors:
        return _not_authorised(ballot, account, "<>", "MAIL FROM")
    return _ambiguous(ballot, account, [defect for defect in _unlisted(manifest) if defect in _AUTHOR_DEFECTS])


def names_authorised(ballot: Ballot, account: Account) -> Vote | None:
    """No display name holds a foreign address, such as `ceo@else.example <a@acme.example>`."""
    if account.rules.display_addresses is Choice.ACCEPT:
        return None
    for address in ballot.manifest.displayed:
        if not narrowest_pattern(address, account.senders):
            text = _notice(Notice.DISPLAY_NAME, ballot, account, address=address, account=account.name)
            return _object(Reply.MISLEADING_NAME, f"a name holds {address}, no sender of {account.name}", text)
    return None


def login_known(ballot: Ballot, account: Account) -> Vote | None:
    """A session can outlive its login: once it is removed or disabled, it may send nothing."""
    login = ballot.envelope.login.strip().lower()
    credential = account.credentials.get(login)
    if not login or (credential and not credential.disabled):
        return None
    why = "is disabled" if credential else f"is no login of {account.name} any more"
    return _object(Reply.NOT_AUTHENTICATED, f"{login} {why}", "")


def recipients_within(ballot: Ballot, account: Account) -> Vote | None:
    count, limit = len(ballot.envelope.recipients), account.rules.max_recipients
    if count <= limit:
        return None
    text = _notice(Notice.RECIPIENTS, ballot, account, limit=limit)
    return _object(Reply.TOO_MANY_RECIPIENTS, f"{count} recipients, at most {limit}", text)


def size_within(ballot: Ballot, account: Account) -> Vote | None:
    size, limit = leaving_size(ballot, account), account.rules.max_size
    if size <= limit:
        return None
    reason, text = f"{size} bytes, at most {limit}", _notice(Notice.SIZE, ballot, account, limit=limit)
    if obstacle := _obstacle_to_links(ballot, account):
        reason += f"; it can't be given links: {obstacle}"
        text += "\n" + _notice(Notice.NO_LINKS, ballot, account)
    return _object(Reply.TOO_BIG, reason, text)


def attachments_safe(ballot: Ballot, account: Account) -> Vote | None:
    """No forbidden attachment, and nothing in the mail's structure that could hide one."""
    rules = account.rules_of(ballot.envelope.sender, ballot.envelope.received_at)
    if forbidden := first_forbidden(ballot.manifest, rules):
        text = _attachment_notice(forbidden.name, ballot, account)
        return _object(Reply.FORBIDDEN_ATTACHMENT, f"{forbidden.name or 'the text'!r} {forbidden.why}", text)
    if rules.attachments is None:
        return None
    return _ambiguous(
        ballot, account, [defect for defect in _unlisted(ballot.manifest) if defect != Defect.FROM_MISSING]
    )


RULES: tuple[Rule, ...] = (
    login_known,
    sender_authorised,
    names_authorised,
    recipients_within,
    size_within,
    attachments_safe,
)


def leaving_size(ballot: Ballot, account: Account) -> int:
    """The size of the mail as it leaves, in bytes: filelink turns large parts into links."""
    size = ballot.envelope.size
    return link_eligibility.leaving_size(size, ballot.manifest, account.links_over) if account.links_over else size


def _obstacle_to_links(ballot: Ballot, account: Account) -> str:
    """Why large attachments of this mail can't become links; empty if none is, or if they can."""
    if not account.links_over or not link_eligibility.parts_over(ballot.manifest, account.links_over):
        return ""
    return link_eligibility.obstacle(ballot.manifest)


def _not_authorised(ballot: Ballot, account: Account, address: str, seen: str) -> Vote:
    text = _notice(Notice.SENDER, ballot, account, sender=address, seen=seen, account=account.name)
    return _object(Reply.SENDER_NOT_AUTHORISED, f"{seen} {address} is not a sender of {account.name}", text)


def _unlisted(manifest: Manifest) -> list[str]:
    """The defects that leave a reading whose parts and authors are not listed."""
    return [defect for defect in manifest.defects if defect not in manifest.enumerated]


def _ambiguous(ballot: Ballot, account: Account, defects: list[str]) -> Vote | None:
    if not defects:
        return None
    reason = ", ".join(defects)
    return _object(Reply.AMBIGUOUS_BODY, reason, _notice(Notice.STRUCTURE, ballot, account, reason=reason))


def _attachment_notice(name: str, ballot: Ballot, account: Account) -> str:
    """Without a name it is a PGP block in the text.

    An account that has its own text of the notice about attachments only wants that one for it.
    """
    if name or (Notice.ATTACHMENT in account.notices and Notice.ENCRYPTED not in account.notices):
        return _notice(Notice.ATTACHMENT, ballot, account, name=name or "(PGP)")
    return _notice(Notice.ENCRYPTED, ballot, account)


def _notice(kind: Notice, ballot: Ballot, of: Account, **facts: object) -> str:
    """The text that the client gets: the account's own, or Varco's."""
    return of.texts.reply(kind, facts, smtputf8=ballot.envelope.smtputf8)


def _object(reply: Reply, reason: str, text: str) -> Vote:
    return Vote(voter=VOTER, reply=reply, reason=reason, text=text)
