"""Generates docs/texts.md: every text that end users read and an account can choose."""

from varco_cli.docs.markdown import GENERATED, code, table
from varco_common.mail.notice_texts import FACTS, ONE_LINE, TEXTS, Language, Notice

INTRODUCTION = """
# What end users read

An account chooses what its users, and the recipients of its mail, read: in which languages
(`language`), in which time zone (`time_zone`), and each text (`notices`), all of them in its
[account file](account-file.md):

    language: [it, en]        # each text in Italian, then in English; `it` alone for one language
    time_zone: Europe/Rome
    notices:
      quota:
        it: "{sender} ha superato {limit}: riprovare dopo le {until}"
      bounce-subject:
        it: Messaggio non consegnato
        en: Undelivered mail

`varco notices` lists, sets and resets single texts. A text in one language leaves those in others
as they are; `null` brings Varco's back.

- **Facts in curly brackets** are filled in. Each text knows the ones that the table names; another
  one is refused when the text is set. What is filled in is one short line without control
  characters, so a file's name can't add a line to an answer.
- A text has at most 20 lines of 300 bytes. A refusal is an SMTP answer: each of its lines is cut to
  what a reply line can hold (RFC 5321 4.5.3.1.5), and is ASCII (`è` becomes `e'`) unless the client
  speaks SMTPUTF8. Link notices and bounces keep all letters. Codes never change.
- An account that chooses no time zone reads times in UTC, and those of the quota answer in the time
  zone of its quotas.
- The pages behind a link are in the browser's language. They name the day in the account's time
  zone, and say in its words that a link has ended.
- Answers before a login, and those to a wrong dialogue, are in English: no account is known there.
"""
NAMES = {
    "account": "the account",
    "address": "the address in the name of the sender",
    "date": "the day on which the files are deleted",
    "days": "for how many days the mail was tried",
    "end": "until when, in words: until 15:04",
    "keep": "how long the files are kept, in words",
    "login": "the login",
    "limit": "the limit: of `size` in bytes, of a quota in words",
    "mail": "the id of the mail",
    "name": "the name of the file",
    "reason": "what is wrong with the structure, for an administrator",
    "recipient": "the first recipient",
    "seen": "where the sender's address stood: MAIL FROM, From, Sender",
    "sender": "the address of the sender; of a quota of the whole account, the account",
    "senders": "how many unauthorised senders, in words: three unauthorised senders",
    "sent": "when the mail was handed in",
    "size": "the size of the file",
    "until": "when there is room for the next mail",
    "why": "signed or encrypted",
}
_USES = {
    Notice.NO_LINKS: "added to `size` where filelink can't help",
    Notice.ENCRYPTED: "a PGP block in the text; an own `attachment` holds for it too",
    Notice.QUOTA_MESSAGE: "in the place of `quota` for a mail that is over the limit by itself",
    Notice.LOGIN_STOPPED: "where several people share a host ([bans](bans.md))",
    Notice.SENDING_STOPPED: "as `login-stopped`, of mail that a network sends without a login",
    Notice.LINK_FILE: "above each link, in the first language",
    Notice.LINK: "below one link",
    Notice.LINKS: "below several links",
    Notice.LINK_ENDED: "on the page of a link that has ended",
    Notice.LINK_REVOKED: "on the page of a link that was revoked",
    Notice.BOUNCE_EXPIRED: "in the place of `bounce` after the last attempt",
}


def page() -> str:
    """Returns the whole page."""
    rows = [
        (code(kind.value), " ".join(code(f"{{{name}}}") for name in FACTS[kind]), _use(kind), *_texts(kind))
        for kind in Notice
    ]
    facts = table(("fact", "what it is"), [(code(f"{{{name}}}"), meaning) for name, meaning in NAMES.items()])
    texts = table(("name", "facts", "use", *(f"Varco's, {language}" for language in Language)), rows)
    return f"{GENERATED}{INTRODUCTION}\n{facts}\n{texts}"


def _use(kind: Notice) -> str:
    uses = [_USES[kind]] if kind in _USES else []
    return "; ".join([*uses, "one line"] if kind in ONE_LINE else uses)


def _texts(kind: Notice) -> list[str]:
    return [TEXTS[kind][language] for language in Language]
