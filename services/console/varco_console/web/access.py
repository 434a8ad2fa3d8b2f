"""Who may use a route: each one declares its roles, and a route without roles stops the start."""

from collections.abc import Callable, Collection
from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.routing import APIRoute

from varco_common.events import PersonRole
from varco_console.people import BrowserSession
from varco_console.web.form_tokens import check_form_token

ALL_ROLES = frozenset(PersonRole)
SEES_ALL = frozenset(role for role in PersonRole if role.sees_all)
MAY_CHANGE = frozenset(role for role in PersonRole if role.may_change)
OPERATORS = frozenset({PersonRole.OPERATOR})

Registration = Callable[[Callable[..., Any]], Callable[..., Any]]  # what a decorator of routes returns


class SignInNeeded(Exception):
    """Nobody is signed in."""


class Roles:
    """A dependency: the person must have one of the roles, and see the account in the path."""

    def __init__(self, roles: Collection[PersonRole]) -> None:
        self.roles = frozenset(roles)

    async def __call__(self, request: Request) -> None:
        person = opened_session(request).person
        if person.role not in self.roles or not person.sees(request.path_params.get("account", person.account)):
            refuse()


class Public:
    """A dependency of the few routes that need no session."""

    async def __call__(self) -> None:
        """Lets everybody in."""


def opened_session(request: Request) -> BrowserSession:
    """Raises SignInNeeded."""
    if not (opened := getattr(request.state, "session", None)):
        raise SignInNeeded
    assert isinstance(opened, BrowserSession)
    return opened


SignedIn = Annotated[BrowserSession, Depends(opened_session)]


def visible_account(opened: BrowserSession, asked: str = "") -> str:
    """The account that a question is limited to; empty: all. Raises 403 for somebody else's."""
    if asked and not opened.person.sees(asked):
        refuse()
    return asked or opened.person.account


def refuse() -> NoReturn:
    raise HTTPException(403)


class PageRoutes(APIRouter):
    """Routes of pages. `page` shows something, `change` takes a form with its token."""

    def page(self, path: str, *, roles: Collection[PersonRole] = ALL_ROLES) -> Registration:
        return self.get(path, dependencies=[Depends(Roles(roles))])

    def change(self, path: str, *, roles: Collection[PersonRole] = MAY_CHANGE) -> Registration:
        return self.post(path, dependencies=[Depends(Roles(roles)), Depends(check_form_token)])

    def public_page(self, path: str) -> Registration:
        return self.get(path, dependencies=[Depends(Public())])

    def public_change(self, path: str) -> Registration:
        return self.post(path, dependencies=[Depends(Public()), Depends(check_form_token)])


def declared_access(route: APIRoute) -> Roles | Public:
    """Raises RuntimeError for a route that declares none: it would be open to all."""
    for dependency in route.dependencies:
        if isinstance(dependency.dependency, Roles | Public):
            return dependency.dependency
    raise RuntimeError(f"{route.path} does not say who may use it")
