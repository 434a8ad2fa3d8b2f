"""An account's logins: list, put, import, remove."""

from fastapi import APIRouter

from varco_common.base.errors import RefusedCommand
from varco_common.eventsourcing.commands import Change, CommandContext
from varco_common.runtime.auth import AccountScope
from varco_common.runtime.command_api import ChangedOut, Command
from varco_common.runtime.passwords import PasswordVerifier
from varco_common.runtime.request_model import AccountName
from varco_policy import commands
from varco_policy.api.command_runner import AccountDecision, CommandRunner
from varco_policy.api.request_parsing import AccountHashing, new_hash, parse_users
from varco_policy.api.request_schemas import MAX_USERS, PasswdFile, PasswordForm, UserIn
from varco_policy.api.response_rendering import user_out
from varco_policy.api.response_schemas import UserOut
from varco_policy.desired_state import DesiredUser
from varco_policy.model.account import Account
from varco_policy.normalization import normal_login
from varco_policy.password_hashes import PasswdEntry, parse_passwd_line


def router(runner: CommandRunner, verifier: PasswordVerifier) -> APIRouter:
    api = APIRouter(prefix="/accounts/{account}/users", tags=["users"])

    def put(users: dict[str, DesiredUser]) -> AccountDecision:
        def decide(account: Account, context: CommandContext) -> list[Change]:
            owner = runner.owners.login
            return [
                change
                for login, user in users.items()
                for change in commands.put_user(account, context, login, owner, **user._asdict())
            ]

        return decide

    @api.get("")
    async def list_users(account: AccountName, _: AccountScope) -> list[UserOut]:
        """The account's logins, with when each was last used (to the hour)."""
        return [user_out(credential) for credential in runner.existing(account).credentials.values()]

    @api.put("/{login:path}")
    async def put_user(
        account: AccountName, login: str, form: PasswordForm, command: Command, token: AccountScope
    ) -> ChangedOut:
        """Adds a login, or changes its password or name, or disables it.

        The same password again changes nothing.
        """
        login = normal_login(login)
        hashing = AccountHashing.of(verifier, account, token)
        hashed = await new_hash(form, runner.existing(account).credentials.get(login), hashing)
        return await runner.change(account, command, put({login: DesiredUser(form.name, hashed, form.disabled)}))

    @api.post("/import")
    async def import_users(account: AccountName, form: PasswdFile, command: Command, token: AccountScope) -> ChangedOut:
        """Takes over logins with their hashes. If one line cannot be used, nothing is changed."""
        credentials = runner.existing(account).credentials
        lines = [line for line in form.lines.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        if len(lines) > MAX_USERS:
            raise RefusedCommand(f"{len(lines)} lines: a request may have {MAX_USERS}")
        users = [_user(parse_passwd_line(line)) for line in lines]
        hashing = AccountHashing.of(verifier, account, token)
        return await runner.change(account, command, put(await parse_users("lines", users, credentials, hashing)))

    @api.delete("/{login:path}")
    async def remove_user(account: AccountName, login: str, command: Command, _: AccountScope) -> ChangedOut:
        """The login is no longer valid; its open sessions end with their next mail."""
        login = normal_login(login)
        return await runner.change(account, command, lambda state, context: commands.remove_user(state, context, login))

    return api


def _user(entry: PasswdEntry) -> UserIn:
    try:
        return UserIn.model_validate(
            {"login": entry.login, "password": entry.password or None, "password_hash": entry.hash or None}
        )
    except ValueError:
        raise RefusedCommand(f"{entry.login[:254]}: its password must have 8 to 1024 characters") from None
