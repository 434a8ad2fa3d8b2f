"""HTTP: who is connected now."""

from datetime import datetime
from typing import cast

from fastapi import APIRouter
from pydantic import BaseModel, Field

from varco_common.auth import Admin
from varco_ingress_smtp.door import Door
from varco_ingress_smtp.session import Session


class SessionShown(BaseModel):
    """One open session."""

    host: str
    listener: str
    since: datetime
    helo: str
    tls: str = Field(description="The TLS version; empty for none.")
    login: str
    account: str
    mail: str = Field(description="The id of the mail that is under way; empty for none.")
    mails: int = Field(description="Mails answered in this session.")


class SessionsShown(BaseModel):
    """All open sessions of this process."""

    draining: bool
    sessions: list[SessionShown]


def router(door: Door) -> APIRouter:
    routes = APIRouter(tags=["sessions"])

    @routes.get("/sessions")
    async def sessions(_: Admin) -> SessionsShown:
        """The sessions that are open, oldest first."""
        return SessionsShown(draining=door.draining, sessions=[_shown(cast(Session, one)) for one in door.sessions])

    return routes


def _shown(session: Session) -> SessionShown:
    visitor = session.visitor
    return SessionShown(
        host=visitor.host,
        listener=visitor.listener,
        since=session.since,
        helo=visitor.helo,
        tls=visitor.tls,
        login=visitor.login,
        account=visitor.granted.grant.account if visitor.granted else "",
        mail=session.mail.id if session.mail else "",
        mails=visitor.mails,
    )
