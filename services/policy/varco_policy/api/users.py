"""An account's logins: list, put, import, remove."""

from fastapi import APIRouter

from varco_common.base.errors import RefusedCommand
from varco_common.runtime.auth import AccountScope
from varco_common.runtime.passwords import PasswordVerifier
from varco_policy import changes, forms
from varco_policy.account import Account
from varco_policy.api import reading
from varco_policy.api.commands import AccountName, Asked, Commands, Planned
from varco_policy.api.models import Changed, Passwd, Password, UserIn, UserOut
from varco_policy.api.writing import user_out
from varco_policy.changes import Change, Said
from varco_policy.hashes import Imported, passwd_line
from varco_policy.wanted import User


def router(commands: Commands, verifier: PasswordVerifier) -> APIRouter:
    api = APIRouter(prefix="/accounts/{account}/users", tags=["users"])

    def put(users: dict[str, User]) -> Planned:
        def planned(account: Account, said: Said) -> list[Change]:
            return [
                change
                for login, user in users.items()
                for change in changes.put_user(
                    account, said, login, commands.owners.login, name=user.name, digest=user.digest
                )
            ]

        return planned

    @api.get("")
    async def list_users(account: AccountName, _: AccountScope) -> list[UserOut]:
        """The account's logins, with when each was last used (to the hour)."""
        return [user_out(held) for held in commands.existing(account).credentials.values()]

    @api.put("/{login:path}")
    async def put_user(account: AccountName, login: str, form: Password, asked: Asked, _: AccountScope) -> Changed:
        """Adds a login, or changes its password or name. The same password again changes nothing."""
        wanted = forms.login(login)
        digest = await reading.new_digest(form, commands.existing(account).credentials.get(wanted), verifier)
        return await commands.change(account, asked, put({wanted: User(form.name, digest)}))

    @api.post("/import")
    async def import_users(account: AccountName, form: Passwd, asked: Asked, _: AccountScope) -> Changed:
        """Takes logins over with the hashes that they have; all lines, or none where one can't be used."""
        held = commands.existing(account).credentials
        lines = [line for line in form.lines.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        users = [_user(passwd_line(line)) for line in lines]
        return await commands.change(account, asked, put(await reading.users("lines", users, held, verifier)))

    @api.delete("/{login:path}")
    async def remove_user(account: AccountName, login: str, asked: Asked, _: AccountScope) -> Changed:
        """The login may log in no more; its open sessions end with their next mail."""
        wanted = forms.login(login)
        return await commands.change(account, asked, lambda state, said: changes.remove_user(state, said, wanted))

    return api


def _user(line: Imported) -> UserIn:
    try:
        return UserIn.model_validate(
            {"login": line.login, "password": line.password or None, "password_hash": line.hash or None}
        )
    except ValueError:
        raise RefusedCommand(f"{line.login[:254]}: its password must have 8 to 1024 characters") from None
