"""The rules of bans, by fail2ban's names: show and change."""

from fastapi import APIRouter

from varco_banguard import commands
from varco_banguard.api.schemas import RuleOut
from varco_banguard.ban_settings import BanSettings
from varco_banguard.projections import BanguardState
from varco_banguard.rule_settings import RULE_SETTINGS, STRIKE_ABOUT, shown_rules
from varco_common.events.banguard import GATE
from varco_common.eventsourcing.command_executor import CommandExecutor
from varco_common.runtime.auth import Admin
from varco_common.runtime.command_api import Command


def router(state: BanguardState, executor: CommandExecutor[BanSettings]) -> APIRouter:
    api = APIRouter(prefix="/rules", tags=["rules"])

    @api.get("")
    async def show_rules(_: Admin) -> list[RuleOut]:
        """The rules of bans, by fail2ban's names."""
        return [
            RuleOut(name=name, value=value, about=RULE_SETTINGS[name].about if name in RULE_SETTINGS else STRIKE_ABOUT)
            for name, value in shown_rules(state.settings.rules).items()
        ]

    @api.patch("")
    async def set_rules(form: dict[str, str | int | float | bool], command: Command, token: Admin) -> list[RuleOut]:
        """Changes the given settings: `{"maxretry": 5, "strike.broken-off": "off"}`."""
        await executor.execute(GATE, command, lambda settings, context: commands.change_rules(settings, context, form))
        return await show_rules(token)

    return api
