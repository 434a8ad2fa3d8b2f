"""An account's logins: list, put, import, remove."""

from fastapi import APIRouter

from varco_common.base.errors import RefusedCommand
from varco_common.runtime.auth import AccountScope
from varco_common.runtime.passwords import PasswordVerifier
from varco_policy import commands, normalization
from varco_policy.api import request_parsing
from varco_policy.api.command_runner import AccountName, Asked, CommandRunner, Planned
from varco_policy.api.response_rendering import user_out
from varco_policy.api.schemas import ChangesOut, PasswdFile, PasswordForm, UserIn, UserOut
from varco_policy.commands import Change, Said
from varco_policy.desired_state import DesiredUser
from varco_policy.model import Account
from varco_policy.password_hashes import PasswdEntry, parse_passwd_line


def router(runner: CommandRunner, verifier: PasswordVerifier) -> APIRouter:
    api = APIRouter(prefix="/accounts/{account}/users", tags=["users"])

    def put(users: dict[str, DesiredUser]) -> Planned:
        def planned(account: Account, said: Said) -> list[Change]:
            return [
                change
                for login, user in users.items()
                for change in commands.put_user(
                    account, said, login, runner.owners.login, name=user.name, digest=user.digest
                )
            ]

        return planned

    @api.get("")
    async def list_users(account: AccountName, _: AccountScope) -> list[UserOut]:
        """The account's logins, with when each was last used (to the hour)."""
        return [user_out(held) for held in runner.existing(account).credentials.values()]

    @api.put("/{login:path}")
    async def put_user(
        account: AccountName, login: str, form: PasswordForm, asked: Asked, _: AccountScope
    ) -> ChangesOut:
        """Adds a login, or changes its password or name. The same password again changes nothing."""
        wanted = normalization.normal_login(login)
        digest = await request_parsing.new_digest(form, runner.existing(account).credentials.get(wanted), verifier)
        return await runner.change(account, asked, put({wanted: DesiredUser(form.name, digest)}))

    @api.post("/import")
    async def import_users(account: AccountName, form: PasswdFile, asked: Asked, _: AccountScope) -> ChangesOut:
        """Takes logins over with the hashes that they have; all lines, or none where one can't be used."""
        held = runner.existing(account).credentials
        lines = [line for line in form.lines.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        users = [_user(parse_passwd_line(line)) for line in lines]
        return await runner.change(account, asked, put(await request_parsing.users("lines", users, held, verifier)))

    @api.delete("/{login:path}")
    async def remove_user(account: AccountName, login: str, asked: Asked, _: AccountScope) -> ChangesOut:
        """The login may log in no more; its open sessions end with their next mail."""
        wanted = normalization.normal_login(login)
        return await runner.change(account, asked, lambda state, said: commands.remove_user(state, said, wanted))

    return api


def _user(line: PasswdEntry) -> UserIn:
    try:
        return UserIn.model_validate(
            {"login": line.login, "password": line.password or None, "password_hash": line.hash or None}
        )
    except ValueError:
        raise RefusedCommand(f"{line.login[:254]}: its password must have 8 to 1024 characters") from None
