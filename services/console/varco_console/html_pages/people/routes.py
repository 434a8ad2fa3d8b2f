"""The people who may sign in: add, issue a link, remove, end a session."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from varco_common.events import PersonRole, SignOutCause
from varco_common.runtime.tokens import PERSON_NAME
from varco_console.html_pages.people.view import ExportedPerson, exported_people, people_list
from varco_console.secret_values import SecretValue
from varco_console.web.access import OPERATORS, SEES_ALL, PageRoutes, SignedIn
from varco_console.web.confirmation import unproven
from varco_console.web.context import console_of
from varco_console.web.csv_export import csv_response
from varco_console.web.notices import back_to

routes = PageRoutes()
Reason = Annotated[str, Form(max_length=1_000)]
Proof = Annotated[str, Form(max_length=1_024, description="The operator's own password or code.")]


class PersonForm(BaseModel):
    """A new person. `account` is for the roles owner and reader."""

    name: str = Field(pattern=f"^{PERSON_NAME}$")
    role: PersonRole
    account: str = Field("", max_length=63)
    reason: str = Field("", max_length=1_000)
    proof: str = Field("", max_length=1_024, description="The operator's own password or code.")


@routes.page("/people", roles=SEES_ALL)
async def show_people(request: Request) -> Response:
    return _page(request)


@routes.page("/people.csv", roles=SEES_ALL)
async def export_people(request: Request) -> Response:
    people = console_of(request).people
    view = people_list(people.all(), datetime.now(UTC), people.last_use)
    return csv_response("people.csv", ExportedPerson._fields, exported_people(view))


@routes.change("/people", roles=OPERATORS)
async def add_person(request: Request, opened: SignedIn, form: Annotated[PersonForm, Form()]) -> Response:
    """What gives access beyond this session needs more than the session."""
    if refusal := await unproven(request, opened, form.proof):
        return _page(request, refusal=refusal)
    people = console_of(request).people
    link = await people.add(form.name, form.role, form.account.strip(), opened.by, form.reason)
    return _page(request, link)


@routes.change("/people/{name}/link", roles=OPERATORS)
async def issue_link(request: Request, name: str, opened: SignedIn, reason: Reason = "", proof: Proof = "") -> Response:
    if refusal := await unproven(request, opened, proof):
        return _page(request, refusal=refusal)
    return _page(request, await console_of(request).people.issue_link(name, opened.by, reason))


@routes.change("/people/{name}/second-factor", roles=OPERATORS)
async def remove_factor(
    request: Request, name: str, opened: SignedIn, reason: Reason = "", proof: Proof = ""
) -> Response:
    """For somebody who has lost the device with the codes."""
    if refusal := await unproven(request, opened, proof):
        return _page(request, refusal=refusal)
    await console_of(request).people.remove_factor(name, opened.by, reason)
    return back_to("/people", "factor_removed")


@routes.change("/people/{name}/remove", roles=OPERATORS)
async def remove_person(request: Request, name: str, opened: SignedIn, reason: Reason = "") -> RedirectResponse:
    await console_of(request).people.remove(name, opened.by, reason)
    return back_to("/people", "removed")


@routes.change("/people/{name}/sessions", roles=OPERATORS)
async def end_session(
    request: Request, name: str, opened: SignedIn, session: Annotated[str, Form(max_length=64)]
) -> RedirectResponse:
    await console_of(request).people.sign_out(name, [session], opened.by, SignOutCause.REVOKED)
    return back_to("/people", "session_ended")


def _page(request: Request, link: SecretValue | None = None, refusal: str = "") -> Response:
    console = console_of(request)
    url, of = (f"{console.url}/password/{link.text}", link.person) if link else ("", "")
    view = people_list(console.people.all(), datetime.now(UTC), console.people.last_use, url, of)
    return console.renderer.page(
        request,
        "people/page.html",
        view,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if refusal else HTTPStatus.OK,
        refusal=refusal,
        roles=[*PersonRole],
        pattern=PERSON_NAME,
    )
