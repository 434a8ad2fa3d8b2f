"""An account's file over the services' APIs: shown, compared with what is there, applied."""

import asyncio
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from varco_common.account_file.answers import mistakes_with_places, sections_of
from varco_common.account_file.owners import OWNERS, Owner, body
from varco_common.account_file.parsing import AccountFile, AccountFileError
from varco_common.account_file.printing import account_text
from varco_common.account_file.schema import completed
from varco_common.account_file.warnings import placed_warnings
from varco_common.base.merge_patch import is_off
from varco_console.html_pages.account.view import OwnerPlan
from varco_console.service_apis import ApiFailure, PersonApi

_ANY_SIZE = 1 << 40  # bytes: how large a mail ingress takes is not known here, so nothing is said of it
_MISTAKES = (HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY)


class PartlyApplied(AccountFileError):
    """An owner refused its sections after others had applied theirs, which `done` names."""

    def __init__(self, text: str, done: str) -> None:
        super().__init__(text)
        self.done = done


async def current_document(api: PersonApi, account: str) -> dict[str, Any]:
    """The account with every key, without secrets. Raises ApiFailure, also if a service is away."""
    owners = [owner for owner in OWNERS if owner.service in api.services]
    answers = await asyncio.gather(*(_shown(api, owner, account) for owner in owners))
    return completed({section: value for answer in answers for section, value in answer.items()})


async def read_file(account: str, text: str) -> AccountFile:
    """The account's file as a person has edited it. Raises AccountFileError.

    In a thread, as printing: YAML of a megabyte takes a second, in which no page would be answered.
    """
    return await asyncio.to_thread(_read_file, account, text)


async def printed(document: dict[str, Any]) -> str:
    """The text of an account's file."""
    return await asyncio.to_thread(account_text, document)


def _read_file(account: str, text: str) -> AccountFile:
    file = AccountFile(f"{account}.yaml", text)
    if file.account != account:
        raise AccountFileError(f"{file.place(['account'])}: {file.account}: expected {account}")
    return file


async def plan(api: PersonApi, file: AccountFile) -> tuple[OwnerPlan, ...]:
    """What each owner would change. Raises AccountFileError with all mistakes, and ApiFailure."""
    owners = _owners(api, file)
    answers = await asyncio.gather(
        *(_patch(api, file, owner, {"dry_run": "true"}) for owner in owners), return_exceptions=True
    )
    if mistakes := [str(answer) for answer in answers if isinstance(answer, AccountFileError)]:
        raise AccountFileError("\n".join(mistakes))
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return tuple(
        OwnerPlan(owner.sections[0], answer["version"], tuple(answer["changes"]))
        for owner, answer in zip(owners, answers, strict=True)
        if not isinstance(answer, BaseException)
    )


async def apply_file(api: PersonApi, file: AccountFile, plans: Iterable[OwnerPlan], reason: str) -> None:
    """Sends each owner its sections that were planned to change, one after the other.

    Nothing is undone where a later one fails. Raises AccountFileError and ApiFailure.
    """
    done: list[str] = []
    versions = {plan.part: plan.version for plan in plans if plan.changes}
    for owner in OWNERS:
        if owner.sections[0] not in versions:
            continue
        headers = {"If-Match": f'"{versions[owner.sections[0]]}"'}
        try:
            await _patch(api, file, owner, {"reason": reason}, headers)
        except (AccountFileError, ApiFailure) as error:
            if done:
                raise PartlyApplied(str(error), ", ".join(done)) from None
            raise
        done += [section for section in owner.sections if section in file.sections]


async def warnings_about(api: PersonApi, file: AccountFile) -> list[str]:
    """What is legal and surely not meant, each with its line."""
    current, filelink = await asyncio.gather(
        current_document(api, file.account),
        api.get("filelink", "/filelink"),
        return_exceptions=True,
    )
    if isinstance(current, BaseException):
        raise current
    links_begin_with = "" if isinstance(filelink, BaseException) else str(filelink["links_begin_with"])
    return placed_warnings(file, current, links_begin_with, _ANY_SIZE)


async def _shown(api: PersonApi, owner: Owner, account: str) -> dict[str, Any]:
    """Empty where the owner has nothing of the account."""
    try:
        return sections_of(owner, await api.get(owner.service, _path(owner, account)))
    except ApiFailure as failure:
        if owner.whole or failure.status != HTTPStatus.NOT_FOUND:
            raise
        return {}


def _owners(api: PersonApi, file: AccountFile) -> list[Owner]:
    """The owners of its sections. Raises AccountFileError where one is not installed."""
    owners = []
    for owner in OWNERS:
        sections = [section for section in owner.sections if section in file.sections]
        if owner.service in api.services:
            owners += [owner] if sections else []
        elif needed := [section for section in sections if not is_off(file.sections[section])]:
            raise AccountFileError(f"{file.place(needed[:1])}: needs service {owner.service}, which is not running")
    return owners


async def _patch(
    api: PersonApi, file: AccountFile, owner: Owner, params: dict[str, str], headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """The owner's answer. Raises AccountFileError for what it refuses, with the lines."""
    path, content = _path(owner, file.account), body(owner, file.sections)
    try:
        answer: dict[str, Any] = await api.change(
            owner.service, "PATCH", path, body=content, params=params, headers=headers
        )
    except ApiFailure as failure:
        if failure.status not in _MISTAKES:
            raise
        raise AccountFileError("\n".join(mistakes_with_places(file, owner, failure.problem, str(failure)))) from None
    return answer


def _path(owner: Owner, account: str) -> str:
    return owner.path.format(account=quote(account, safe=""))
