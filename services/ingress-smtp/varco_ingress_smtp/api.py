"""HTTP: who is connected now, and the processes that share the ports."""

import os
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from varco_common.runtime.auth import Admin
from varco_ingress_smtp.smtp.admission import Admission, OpenConnection
from varco_ingress_smtp.worker_supervisor import WorkerProcesses


class OpenSession(BaseModel):
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


class SessionList(BaseModel):
    """All open sessions of this process."""

    draining: bool
    sessions: list[OpenSession]


class ProcessView(BaseModel):
    """One process on the SMTP ports; sessions and metrics are those of each."""

    pid: int
    api_port: int | None = Field(description="Where its HTTP API listens; empty for the one that answers.")


def router(admission: Admission, workers: WorkerProcesses) -> APIRouter:
    routes = APIRouter(tags=["sessions"])

    @routes.get("/sessions")
    async def sessions(_: Admin) -> SessionList:
        """The sessions that are open, oldest first."""
        return SessionList(
            draining=admission.draining, sessions=[_view(connection) for connection in admission.connections]
        )

    @routes.get("/processes")
    async def processes(_: Admin) -> list[ProcessView]:
        """The processes that share the ports, this one first."""
        others = [ProcessView(pid=pid, api_port=port) for pid, port in workers.ports.items()]
        return [ProcessView(pid=os.getpid(), api_port=None), *others]

    return routes


def _view(connection: OpenConnection) -> OpenSession:
    info = connection.info
    return OpenSession(
        host=info.host,
        listener=info.listener,
        since=connection.since,
        helo=info.helo,
        tls=info.tls,
        login=info.login,
        account=info.granted.grant.account if info.granted else "",
        mail=info.mail.id if info.mail else "",
        mails=info.mails,
    )
