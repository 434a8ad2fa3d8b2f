"""What the envelope forbids, so that no client uploads a mail in vain.

Policy decides in the end.
"""

from collections.abc import Mapping

from varco_common.mail.ballot import Vote
from varco_common.mail.envelope import MAX_ADDRESS_BYTES
from varco_common.mail.notices import Notice, notice
from varco_common.mail.replies import Reply
from varco_common.mail.sender_patterns import narrowest_pattern
from varco_ingress_smtp.smtp import answers
from varco_ingress_smtp.transaction import Transaction

VOTER = "ingress-smtp"  # the voter of these refusals


def read_mail_parameters(mail: Transaction, parameters: Mapping[str, str]) -> str:
    """Notes MAIL's parameters. Returns the answer to a bad one, or an empty text."""
    for name, value in parameters.items():
        match name:
            case "SIZE" if value.isascii() and value.isdigit() and len(value) <= 20:  # RFC 1870 3
                mail.declared_size = int(value)
            case "BODY" if value.upper() in ("7BIT", "8BITMIME"):  # RFC 6152 2
                pass  # what the mail needs is seen in its bytes
            case "SMTPUTF8" if not value:  # RFC 6531 3.1
                mail.smtputf8 = True
            case "AUTH" if value:  # RFC 4954 5: allowed, and not trusted
                pass
            case "SIZE" | "BODY" | "SMTPUTF8" | "AUTH":
                return answers.BAD_PARAMETER
            case _:
                return answers.UNKNOWN_PARAMETER
    return "" if mail.smtputf8 or mail.sender.isascii() else answers.NEEDS_SMTPUTF8


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


def recipient_limit_reached(mail: Transaction, address: str, limit: int) -> bool:
    """Whether one more recipient is too many, or does not fit into the record's header."""
    return len(mail.recipients) >= limit or mail.address_bytes + len(address.encode()) > MAX_ADDRESS_BYTES


def objection(mail: Transaction, reply: Reply, kind: Notice, facts: Mapping[str, object]) -> Vote:
    """A vote with a notice in the account's language, or in the account's own words."""
    grant = mail.granted.grant
    own_words = grant.notices.get(kind, "")
    return Vote(voter=VOTER, reply=reply, text=notice(kind, grant.language, facts, own_words, smtputf8=mail.smtputf8))
