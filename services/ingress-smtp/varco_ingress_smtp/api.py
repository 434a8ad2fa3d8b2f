"""HTTP: who is connected now, and the processes that share the ports."""

import os
from datetime import datetime
from typing import cast

from fastapi import APIRouter
from pydantic import BaseModel, Field

from varco_common.runtime.auth import Admin
from varco_ingress_smtp.door import Door
from varco_ingress_smtp.session import Session
from varco_ingress_smtp.siblings import Siblings


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


class ProcessShown(BaseModel):
    """One process on the SMTP ports; sessions and metrics are those of each."""

    pid: int
    api_port: int | None = Field(description="Where its HTTP API listens; empty for the one that answers.")


def router(door: Door, siblings: Siblings) -> APIRouter:
    routes = APIRouter(tags=["sessions"])

    @routes.get("/sessions")
    async def sessions(_: Admin) -> SessionsShown:
        """The sessions that are open, oldest first."""
        return SessionsShown(draining=door.draining, sessions=[_shown(cast(Session, one)) for one in door.sessions])

    @routes.get("/processes")
    async def processes(_: Admin) -> list[ProcessShown]:
        """The processes that share the ports, this one first."""
        others = [ProcessShown(pid=pid, api_port=port) for pid, port in siblings.running.items()]
        return [ProcessShown(pid=os.getpid(), api_port=None), *others]

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
