"""filelink's vote: which parts of this mail become links? Pure."""

from varco_common.events import Choice, Language
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.ballot import Ballot, Vote, accept
from varco_common.mail.link_eligibility import obstacle, parts_over
from varco_common.mail.notice_texts import Notice
from varco_common.mail.replies import Reply
from varco_filelink.model.account_settings import LinkSettings

VOTER = "filelink"
ACCEPT = accept(VOTER)

_OBSTACLES = {
    "signed": {Language.EN: "signed", Language.IT: "firmato"},
    "encrypted": {Language.EN: "encrypted", Language.IT: "cifrato"},
}


def decide(ballot: Ballot, settings: LinkSettings | None, texts: AccountTexts | None) -> Vote:
    """Accepts with the parts to convert.

    Refuses only signed and encrypted mails, if the account wants that.
    """
    if settings is None or not settings.over or ballot.envelope.size <= settings.over:
        return ACCEPT
    parts = parts_over(ballot.manifest, settings.over)
    if not parts:
        return ACCEPT
    if why := obstacle(ballot.manifest):
        return _not_convertible(ballot, settings, texts or AccountTexts(), parts[0].names, why)
    return accept(VOTER, convert=tuple(part.path for part in parts))


def _not_convertible(
    ballot: Ballot, settings: LinkSettings, texts: AccountTexts, names: tuple[str, ...], why: str
) -> Vote:
    if settings.signed is Choice.ACCEPT or why not in _OBSTACLES:
        return Vote(voter=VOTER, reply=Reply.ACCEPTED, reason=f"not rewritten: {why}")
    name = names[0] if names else "-"
    text = texts.reply(
        Notice.SIGNED,
        lambda language: {"name": name, "why": _OBSTACLES[why][language]},
        smtputf8=ballot.envelope.smtputf8,
    )
    return Vote(voter=VOTER, reply=Reply.TOO_BIG, reason=f"a heavy attachment in a mail that is {why}", text=text)
