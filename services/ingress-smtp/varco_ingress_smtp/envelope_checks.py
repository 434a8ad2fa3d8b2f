"""What the envelope forbids, so that no client uploads a mail in vain.

Policy decides in the end.
"""

from collections.abc import Mapping

from varco_common.mail.ballot import Vote
from varco_common.mail.delivery_options import RecipientOptions
from varco_common.mail.envelope import MAX_ADDRESS_BYTES
from varco_common.mail.notice_texts import Notice
from varco_common.mail.replies import Reply
from varco_common.mail.sender_patterns import narrowest_pattern
from varco_ingress_smtp.parameters import recipient_bytes
from varco_ingress_smtp.transaction import Transaction

VOTER = "ingress-smtp"  # the voter of these refusals
_NOTICES = {  # those that say no more than the reply does
    Reply.BARE_LINE_END: Notice.LINE_END,
    Reply.LINE_TOO_LONG: Notice.LINE_LENGTH,
    Reply.LOOP: Notice.LOOP,
    Reply.ROUTE_LACKS_SMTPUTF8: Notice.SMTPUTF8,
    Reply.ROUTE_LACKS_8BITMIME: Notice.EIGHT_BIT,
}


def sender_objection(mail: Transaction) -> Vote | None:
    """None for the null sender (RFC 5321 4.5.5): policy judges the From field."""
    if not mail.sender or narrowest_pattern(mail.sender, mail.granted.senders):
        return None
    facts = {"sender": mail.sender, "seen": "MAIL FROM", "account": mail.granted.grant.account}
    return objection(mail, Reply.SENDER_NOT_AUTHORISED, Notice.SENDER, facts)


def size_objection(mail: Transaction, limit: int) -> Vote:
    return objection(mail, Reply.TOO_BIG, Notice.SIZE, {"limit": limit})


def recipients_objection(mail: Transaction, limit: int) -> Vote:
    return objection(mail, Reply.TOO_MANY_RECIPIENTS, Notice.RECIPIENTS, {"limit": limit})


def recipient_limit_reached(mail: Transaction, options: RecipientOptions, limit: int) -> bool:
    """Whether one more recipient is too many, or does not fit into the record's header."""
    return len(mail.recipients) >= limit or mail.address_bytes + recipient_bytes(options) > MAX_ADDRESS_BYTES


def plain_objection(mail: Transaction, reply: Reply) -> Vote:
    """A refusal without facts; without a notice for it, in the words of the reply."""
    kind = _NOTICES.get(reply)
    return objection(mail, reply, kind, {}) if kind else Vote(voter=VOTER, reply=reply)


def objection(mail: Transaction, reply: Reply, kind: Notice, facts: Mapping[str, object]) -> Vote:
    """A vote with a notice in the account's languages, or in the account's own words."""
    texts = mail.granted.grant.texts
    return Vote(voter=VOTER, reply=reply, text=texts.reply(kind, facts, smtputf8=mail.smtputf8))
