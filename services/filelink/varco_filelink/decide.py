"""filelink's vote: which parts of this mail become links? Pure."""

from varco_common.events import Choice, Language
from varco_common.mail.ballot import Ballot, Vote, accept
from varco_common.mail.link_eligibility import obstacle, parts_over
from varco_common.mail.notices import ascii_of, shown
from varco_common.mail.replies import Reply
from varco_filelink.model.account_settings import LinkSettings

VOTER = "filelink"
ACCEPT = accept(VOTER)

_REFUSED = {
    Language.EN: (
        'The attachment "{name}" is too heavy to be sent as it is,\n'
        "and can't become a link: the message is {why}, and can't be changed.\n"
        "Send the file in a message that is neither signed nor encrypted."
    ),
    Language.IT: (
        "L'allegato \"{name}\" è troppo pesante per essere inviato così com'è\n"
        "e non può diventare un link: il messaggio è {why} e non può essere modificato.\n"
        "Inviare il file in un messaggio né firmato né cifrato."
    ),
}
_OBSTACLES = {
    "signed": {Language.EN: "signed", Language.IT: "firmato"},
    "encrypted": {Language.EN: "encrypted", Language.IT: "cifrato"},
}


def decide(ballot: Ballot, settings: LinkSettings | None) -> Vote:
    """Accepts with the parts to convert.

    Refuses only signed and encrypted mails, if the account wants that.
    """
    if settings is None or not settings.over or ballot.envelope.size <= settings.over:
        return ACCEPT
    parts = parts_over(ballot.manifest, settings.over)
    if not parts:
        return ACCEPT
    if why := obstacle(ballot.manifest):
        return _not_convertible(ballot, settings, parts[0].names, why)
    return accept(VOTER, convert=tuple(part.path for part in parts))


def _not_convertible(ballot: Ballot, settings: LinkSettings, names: tuple[str, ...], why: str) -> Vote:
    if settings.signed is Choice.ACCEPT or why not in _OBSTACLES:
        return Vote(voter=VOTER, reply=Reply.ACCEPTED, reason=f"not rewritten: {why}")
    language = settings.language
    notice = _REFUSED[language].format(name=shown(names[0]) if names else "-", why=_OBSTACLES[why][language])
    text = notice if ballot.envelope.smtputf8 else ascii_of(notice)
    return Vote(voter=VOTER, reply=Reply.TOO_BIG, reason=f"a heavy attachment in a mail that is {why}", text=text)
