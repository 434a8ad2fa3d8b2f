"""HTTP: which route a mail would take, now or under other routes."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from varco_common.runtime.auth import AccountScope
from varco_common.runtime.request_model import StrictModel
from varco_relay.other_routes import OtherRoutes


class RouteQuestionIn(StrictModel):
    """A mail, and sections of an account file that would hold; what is left out is as it is."""

    sender: Annotated[str, Field(max_length=320)] = ""
    recipients: Annotated[list[Annotated[str, Field(max_length=320)]], Field(min_length=1, max_length=1_000)]
    sections: dict[str, Any] = Field(default={})


class ChosenRouteOut(BaseModel):
    """Where the mail to a recipient goes. `why` names the rule, or says that none covers it."""

    recipient: str
    goes_to: str
    why: str


def router(routes: OtherRoutes) -> APIRouter:
    api = APIRouter(prefix="/accounts/{account}/routes")

    @api.post("/chosen", summary="Which route a mail would take")
    async def chosen(account: str, _: AccountScope, question: RouteQuestionIn) -> list[ChosenRouteOut]:
        """With `sections`: under those of another account file. Nothing is changed."""
        table, _changes = routes.under(account, question.sections)
        return [
            ChosenRouteOut(recipient=recipient, **table.chosen(question.sender, recipient)._asdict())
            for recipient in question.recipients
        ]

    return api
