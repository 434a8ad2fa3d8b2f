"""filelink, a voter: which parts of this mail become links?"""

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
_WHYS = {
    "signed": {Language.EN: "signed", Language.IT: "firmato"},
    "encrypted": {Language.EN: "encrypted", Language.IT: "cifrato"},
}


def decide(ballot: Ballot, terms: LinkSettings | None) -> Vote:
    """Yes, with the parts to convert. No only to what can't be rewritten, where the account says so."""
    if terms is None or not terms.over or ballot.envelope.size <= terms.over:
        return ACCEPT
    found = parts_over(ballot.manifest, terms.over)
    if not found:
        return ACCEPT
    if why := obstacle(ballot.manifest):
        return _unchanged(ballot, terms, found[0].names, why)
    return accept(VOTER, convert=tuple(part.path for part in found))


def _unchanged(ballot: Ballot, terms: LinkSettings, names: tuple[str, ...], why: str) -> Vote:
    if terms.signed is Choice.ACCEPT or why not in _WHYS:
        return Vote(voter=VOTER, reply=Reply.ACCEPTED, reason=f"not rewritten: {why}")
    words = _REFUSED[terms.language].format(name=shown(names[0]) if names else "-", why=_WHYS[why][terms.language])
    text = words if ballot.envelope.smtputf8 else ascii_of(words)
    return Vote(voter=VOTER, reply=Reply.TOO_BIG, reason=f"a heavy attachment in a mail that is {why}", text=text)
