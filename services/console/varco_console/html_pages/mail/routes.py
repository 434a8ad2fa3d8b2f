"""One mail: what became of it, and what mends its refusal."""

from datetime import date
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import Form, Path, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from varco_common.base.errors import NotFound
from varco_common.base.ids import ALPHABET, LENGTH
from varco_console.html_pages.mail.view import MailStory, attachment_exception, mail_story, quota_exception
from varco_console.web.access import OPERATORS, PageRoutes, SignedIn
from varco_console.web.context import console_of, person_api
from varco_console.web.notices import back_to
from varco_console.web.rendering import language_of

routes = PageRoutes()
MailId = Annotated[str, Path(pattern=rf"^[{ALPHABET}]{{{LENGTH}}}$")]
Reason = Annotated[str, Form(max_length=1_000)]
NeededReason = Annotated[str, Form(min_length=3, max_length=1_000)]


class QuotaForm(BaseModel):
    """So many mails a day. An empty `until` is for good."""

    model_config = ConfigDict(extra="ignore")  # the form's token

    limit: int = Field(ge=1)
    until: date | Literal[""] = ""
    reason: str = Field(min_length=3, max_length=1_000)


class AttachmentForm(BaseModel):
    """Extensions, with commas between them. An empty `until` is for good."""

    model_config = ConfigDict(extra="ignore")  # the form's token

    extensions: str = Field(min_length=1, max_length=500)
    until: date | Literal[""] = ""
    reason: str = Field(min_length=3, max_length=1_000)


@routes.page("/mails/{mail}")
async def show_mail(request: Request, mail: MailId, opened: SignedIn) -> Response:
    story = await _story(request, mail, opened)
    return console_of(request).renderer.page(request, "mail/page.html", story)


@routes.change("/mails/{mail}/sender")
async def authorise_sender(request: Request, mail: MailId, opened: SignedIn, reason: Reason = "") -> RedirectResponse:
    """The account may send as the sender of this mail from now on."""
    story = await _story(request, mail, opened)
    path = f"/accounts/{_part(story.account)}/senders/{_part(_subject(story, 'sender'))}"
    await person_api(request).change("policy", "PUT", path, reason=reason)
    return back_to(f"/mails/{mail}", "sender")


@routes.change("/mails/{mail}/quota", roles=OPERATORS)
async def raise_quota(
    request: Request, mail: MailId, opened: SignedIn, form: Annotated[QuotaForm, Form()]
) -> RedirectResponse:
    """The sender of this mail may send so many mails a day, until a day."""
    story = await _story(request, mail, opened)
    path = f"/accounts/{_part(story.account)}/quotas/exceptions/{_part(_subject(story, 'quota'))}"
    body = quota_exception(form.limit, form.until)
    await person_api(request).change("ratelimit", "PUT", path, reason=form.reason, body=body)
    return back_to(f"/mails/{mail}", "quota")


@routes.change("/mails/{mail}/attachment", roles=OPERATORS)
async def except_attachments(
    request: Request, mail: MailId, opened: SignedIn, form: Annotated[AttachmentForm, Form()]
) -> RedirectResponse:
    """The sender of this mail may attach more than the account's rules allow, until a day."""
    story, api = await _story(request, mail, opened), person_api(request)
    sender = _subject(story, "attachment")
    path = f"/accounts/{_part(story.account)}/attachments/exceptions"
    body = attachment_exception(await api.get("policy", path), sender, form.extensions, form.until)
    await api.change("policy", "PUT", f"{path}/{_part(sender)}", reason=form.reason, body=body)
    return back_to(f"/mails/{mail}", "attachment")


@routes.change("/mails/{mail}/ban")
async def lift_ban(request: Request, mail: MailId, opened: SignedIn, reason: NeededReason) -> RedirectResponse:
    """The host that sent this mail may connect again."""
    host = _subject(await _story(request, mail, opened), "ban")
    await person_api(request).change("banguard", "DELETE", f"/bans/{_part(host)}", reason=reason)
    return back_to(f"/mails/{mail}", "ban")


@routes.change("/mails/{mail}/retry")
async def retry(request: Request, mail: MailId, opened: SignedIn, reason: Reason = "") -> RedirectResponse:
    """It is tried again now."""
    _subject(await _story(request, mail, opened), "retry")
    await person_api(request).change("relay", "POST", f"/queue/{mail}/retry", body={"reason": reason})
    return back_to(f"/mails/{mail}", "retry")


async def _story(request: Request, mail: str, opened: SignedIn) -> MailStory:
    """Raises NotFound for a mail that is not there, or is somebody else's."""
    answer = await person_api(request).get("audit", f"/traces/{mail}", language=language_of(request))
    if not answer["story"]:
        raise NotFound(mail)
    return mail_story(answer, opened.person)


def _subject(story: MailStory, kind: str) -> str:
    """What a fix is about. Raises NotFound if this mail does not need it."""
    for fix in story.fixes:
        if fix.kind == kind:
            return fix.subject
    raise NotFound(kind)


def _part(text: str) -> str:
    return quote(text, safe="")
