"""varco-firewall, a worker: the kernel refuses connections of banned hosts.

Only this program needs NET_ADMIN.
"""

import os

from pydantic import Field

from varco_banguard.firewall import nft
from varco_banguard.firewall.agent import FirewallAgent
from varco_common.base.settings import BrokenSetting, env_prefix
from varco_common.base.tasks import run_in_background
from varco_common.bus import Bus
from varco_common.events.ban_table import ENFORCED, ENFORCER_STATUS, BanTable
from varco_common.runtime import service
from varco_common.runtime.ban_enforcement import BanEnforcement
from varco_common.runtime.http_server import HttpServer
from varco_common.runtime.service import Service
from varco_common.runtime.settings import ServiceSettings, WithBalancers, WithPop3Ports, WithSmtpPorts

NAME = "firewall"
SWITCH = "VARCO_FIREWALL_ON"


class Settings(ServiceSettings, WithBalancers, WithPop3Ports, WithSmtpPorts):
    """`VARCO_FIREWALL_*`, and the ports that mail clients connect to."""

    model_config = env_prefix("VARCO_FIREWALL_")

    on: bool = Field(
        default=False,
        description="Whether `varco up` starts the agent, if it is root (or has NET_ADMIN) and nft is installed.",
    )

    @property
    def ports(self) -> list[int]:
        ports = (self.smtp_port, self.submission_port, self.smtps_port, self.pop3_port, self.pop3s_port)
        return sorted({port for port in ports if port})


async def serve(settings: Settings) -> None:
    """Until cancelled; then it has removed its table. It never touches another table."""
    if why := nft.obstacle():
        raise BrokenSetting(SWITCH, settings.on, f"a process that may change the firewall ({why})")
    if not settings.ports:
        raise BrokenSetting("VARCO_SMTP_PORT", 0, "a port to close to banned hosts")
    table = BanTable(settings.never_banned)
    agent = FirewallAgent(table, settings.ports)
    async with HttpServer.open(settings, NAME) as server, Bus.connect(settings.bus, NAME) as bus:
        enforcement = BanEnforcement(bus, table, NAME, "kernel", on_event=agent.on_event)
        async with run_in_background(enforcement.run(), agent.run(enforcement.caught_up)):
            await server.serve(bus, kernel=agent.check)


def wanted() -> bool:
    """Whether `varco up` starts it: it is switched on, and nft works here."""
    return os.environ.get(SWITCH, "").strip().lower() in ("1", "true", "yes", "on") and not nft.obstacle()


SERVICE = Service(
    name=NAME,
    role=("worker",),
    settings=Settings,
    serve=serve,
    subscribes=(*ENFORCED, ENFORCER_STATUS),
    wanted=wanted,
)


def main() -> None:
    """`varco-firewall`: the agent alone."""
    service.run(SERVICE)
