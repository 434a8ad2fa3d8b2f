"""An account's file: shown, edited, compared, applied."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Form, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from varco_common.account_file.parsing import AccountFileError
from varco_common.runtime.request_model import AccountName
from varco_console.html_pages.account import account_files
from varco_console.html_pages.account.account_files import PartlyApplied
from varco_console.html_pages.account.choice import Asked, choose_account
from varco_console.html_pages.account.difference_page import current_what_if, difference_page
from varco_console.html_pages.account.view import AccountEditor, difference, editor
from varco_console.service_apis import ApiFailure
from varco_console.web.access import MAY_CHANGE, PageRoutes, SignedIn
from varco_console.web.confirmation import unproven
from varco_console.web.context import console_of, person_api
from varco_console.web.notices import back_to

routes = PageRoutes()
FileText = Annotated[str, Form()]


class ApplyForm(BaseModel):
    """The file, the versions that its difference was shown for, and whether losses are meant."""

    model_config = ConfigDict(extra="ignore")  # the form's token

    text: str
    versions: str
    reason: str = Field(min_length=3, max_length=1_000)
    loss: bool = False
    proof: str = Field("", max_length=1_024, description="The person's own password or code.")


@routes.page("/accounts")
async def list_accounts(request: Request, opened: SignedIn, asked: Asked) -> Response:
    return await choose_account(request, opened, asked)


@routes.page("/accounts/{account}")
async def show_account(request: Request, account: AccountName, opened: SignedIn) -> Response:
    text = await account_files.printed(await account_files.current_document(person_api(request), account))
    return _editor(request, editor(opened.person, account, text))


@routes.change("/accounts/{account}/difference")
async def show_difference(request: Request, account: AccountName, opened: SignedIn, text: FileText) -> Response:
    """What the file would change. Changes nothing."""
    try:
        return await difference_page(request, account, text)
    except AccountFileError as error:
        return _editor(request, editor(opened.person, account, text, str(error)), error=error)


@routes.page("/accounts/{account}/whatif", roles=MAY_CHANGE)
async def show_what_if(
    request: Request, account: AccountName, file: Annotated[str, Query(max_length=64)] = ""
) -> Response:
    """How far the what-if is, or what it found. `file` is the digest of the file."""
    view = current_what_if(request, account, file)
    return console_of(request).renderer.page(request, "account/what_if.html", view, account=account)


@routes.change("/accounts/{account}/edit")
async def edit_on(request: Request, account: AccountName, opened: SignedIn, text: FileText) -> Response:
    """The editor, with a file that is not applied yet."""
    return _editor(request, editor(opened.person, account, text))


@routes.change("/accounts/{account}")
async def apply(
    request: Request, account: AccountName, opened: SignedIn, form: Annotated[ApplyForm, Form()]
) -> Response:
    """Applies the difference that was shown; shows it anew where it has changed meanwhile.

    A file can set passwords and routes, which outlive the session: the person proves who it is.
    """
    api = person_api(request)
    try:
        file = await account_files.read_file(account, form.text)
        plans = await account_files.plan(api, file)
        shown = difference(account, form.text, plans, ())
        if shown.versions != form.versions or (shown.lost and not form.loss):
            return await difference_page(request, account, form.text, HTTPStatus.CONFLICT, form.reason)
        if refusal := await unproven(request, opened, form.proof):
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            return await difference_page(request, account, form.text, status, form.reason, refusal=refusal)
        await account_files.apply_file(api, file, plans, form.reason)
    except AccountFileError as error:
        return _editor(request, editor(opened.person, account, form.text, str(error)), error=error)
    except ApiFailure as failure:
        if failure.status != HTTPStatus.CONFLICT:
            raise
        return await difference_page(request, account, form.text, HTTPStatus.CONFLICT, form.reason)
    return back_to(f"/accounts/{account}", "applied")


def _editor(request: Request, view: AccountEditor, error: AccountFileError | None = None) -> Response:
    applied = error.done if isinstance(error, PartlyApplied) else ""
    status = HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK
    render = console_of(request).renderer.page
    return render(request, "account/page.html", view, status=status, applied=applied)
