"""People: list, add, issue a link, remove. Only an admin's token may."""

from datetime import UTC, datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from varco_common.events import PersonRole
from varco_common.runtime.auth import Admin
from varco_common.runtime.command_api import Reason
from varco_common.runtime.tokens import PERSON_NAME
from varco_console.model import Person
from varco_console.people import People

Name = Annotated[str, Path(pattern=f"^{PERSON_NAME}$", description="The person's name.")]


class PersonIn(BaseModel):
    """`account` is for the roles owner and reader."""

    name: str = Field(pattern=f"^{PERSON_NAME}$")
    role: PersonRole
    account: str = Field("", max_length=63)


class PersonOut(BaseModel):
    """A person, and in how many browsers they are signed in."""

    name: str
    role: PersonRole
    account: str
    added_at: datetime
    has_password: bool
    has_second_factor: bool
    sessions: int

    @classmethod
    def of(cls, person: Person) -> Self:
        now = datetime.now(UTC)
        return cls(
            name=person.name,
            role=person.role,
            account=person.account,
            added_at=person.added_at,
            has_password=bool(person.hash),
            has_second_factor=bool(person.factor),
            sessions=sum(now < session.until for session in person.sessions.values()),
        )


class PasswordLinkOut(BaseModel):
    """A link with which the person sets a password, once. It is shown this once."""

    name: str
    url: str


def router(people: People, url: str) -> APIRouter:
    """`url` is what browsers call the console."""
    api = APIRouter(prefix="/people", tags=["people"])

    @api.get("")
    async def list_people(_: Admin) -> list[PersonOut]:
        """Everybody who may sign in."""
        return [*map(PersonOut.of, people.all())]

    @api.post("", status_code=201)
    async def add_person(form: PersonIn, token: Admin, reason: Reason = "") -> PasswordLinkOut:
        """Adds a person."""
        link = await people.add(form.name, form.role, form.account, token.by, reason)
        return PasswordLinkOut(name=form.name, url=f"{url}/password/{link.text}")

    @api.post("/{name}/link", status_code=201)
    async def issue_link(name: Name, token: Admin, reason: Reason = "") -> PasswordLinkOut:
        """A new link. The password stays until it is used; an earlier link ends."""
        link = await people.issue_link(name, token.by, reason)
        return PasswordLinkOut(name=name, url=f"{url}/password/{link.text}")

    @api.delete("/{name}/second-factor", status_code=204)
    async def remove_factor(name: Name, token: Admin, reason: Reason = "") -> None:
        """For somebody who has lost the device with the codes: the password alone is enough."""
        await people.remove_factor(name, token.by, reason)

    @api.delete("/{name}", status_code=204)
    async def remove_person(name: Name, token: Admin, reason: Reason = "") -> None:
        """Ends all sessions of the person, who can't sign in any more."""
        await people.remove(name, token.by, reason)

    return api
