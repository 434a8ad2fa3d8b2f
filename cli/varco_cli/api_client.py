"""The services' HTTP APIs as the commands call them: found in VARCO_HOME, with the token, errors turned into failures."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import msgspec

from varco_cli.failures import Conflict, Failure, Misused, Refused, Unauthorised, Unreachable
from varco_cli.stack.state_directory import StateDirectory

_FAILURES: dict[int, type[Failure]] = {401: Unauthorised, 403: Unauthorised, 409: Conflict, 503: Unreachable}


def state_directory() -> StateDirectory:
    """VARCO_HOME, absolute."""
    return StateDirectory(Path(os.environ.get("VARCO_HOME", "var")).absolute())


def state() -> dict[str, Any] | None:
    """What runs where, as the supervisor wrote it; None while no stack runs."""
    try:
        found: dict[str, Any] = msgspec.json.decode(state_directory().state.read_bytes())
    except FileNotFoundError:
        return None
    return found


def apis() -> dict[str, str]:
    """Base URLs by service: VARCO_APIS (`policy=http://...,relay=http://...`), else the running stack's."""
    if named := os.environ.get("VARCO_APIS"):
        return dict(part.strip().split("=", 1) for part in named.split(",") if "=" in part)
    running: dict[str, str] = (state() or {}).get("apis", {})
    return running


def apis_are_given() -> bool:
    """Whether VARCO_APIS says where the services are."""
    return bool(os.environ.get("VARCO_APIS"))


def token() -> str:
    """VARCO_TOKEN, else the admin token of VARCO_HOME. Raises Unauthorised."""
    if given := os.environ.get("VARCO_TOKEN"):
        return given
    try:
        return state_directory().admin_token.read_text().strip()
    except OSError as error:
        raise Unauthorised(
            f"no token: set VARCO_TOKEN, or VARCO_HOME ({state_directory().admin_token}: {error.strerror})"
        ) from None


def serving(service: str) -> bool:
    """Whether this service is part of the gate."""
    return service in apis()


def call(
    service: str,
    method: str,
    path: str,
    *,
    params: Mapping[str, Any] | None = None,
    json: object = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """The decoded answer of one request; None where it has no body. Raises a Failure."""
    answer = _request(service, method, path, params=params, json=json, headers=headers)
    return answer.json() if answer.content else None


def fetch(service: str, path: str) -> bytes:
    """The bytes of one answer, as they are. Raises a Failure."""
    return _request(service, "GET", path).content


def _request(
    service: str,
    method: str,
    path: str,
    *,
    params: Mapping[str, Any] | None = None,
    json: object = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    base = _base(service)
    given = {name: value for name, value in (params or {}).items() if value not in (None, "")}
    own = {"Authorization": f"Bearer {token()}", **(headers or {})}
    try:
        answer = httpx.request(method, base + path, params=given, json=json, headers=own, timeout=30, trust_env=False)
    except httpx.HTTPError as error:
        raise Unreachable(f"{service} doesn't answer at {base}: {error}") from None
    if answer.is_success:
        return answer
    raise _failure(answer)


def download(service: str, path: str, to: BinaryIO) -> None:
    """Writes the bytes of one answer to a file, as they come. Raises a Failure."""
    base = _base(service)
    own = {"Authorization": f"Bearer {token()}"}
    try:
        with httpx.stream("GET", base + path, headers=own, timeout=30, trust_env=False) as answer:
            if not answer.is_success:
                answer.read()
                raise _failure(answer)
            to.writelines(answer.iter_bytes(1024 * 1024))
    except httpx.HTTPError as error:
        raise Unreachable(f"{service} doesn't answer at {base}: {error}") from None


def lines(
    service: str, path: str, *, params: Mapping[str, Any] | None = None, method: str = "GET", json: object = None
) -> Iterator[str]:
    """The lines of a text as they come, for as long as they do. Raises a Failure."""
    base = _base(service)
    given = {name: value for name, value in (params or {}).items() if value != ""}
    own = {"Authorization": f"Bearer {token()}"}
    waits = httpx.Timeout(30, read=None)
    try:
        with httpx.stream(
            method, base + path, params=given, json=json, headers=own, timeout=waits, trust_env=False
        ) as answer:
            if not answer.is_success:
                answer.read()
                raise _failure(answer)
            yield from answer.iter_lines()
    except httpx.HTTPError as error:
        raise Unreachable(f"{service} doesn't answer at {base}: {error}") from None


def _failure(answer: httpx.Response) -> Failure:
    problem = _problem(answer)
    kind = _FAILURES.get(answer.status_code, Refused if answer.status_code < 500 else Unreachable)
    if problem.get("errors"):
        kind = Misused  # it isn't that the owner won't: it can't read this
    return kind(str(problem.get("detail") or problem.get("title") or answer.status_code), problem)


def _base(service: str) -> str:
    known = apis()
    if not known:
        raise Unreachable(
            f"no stack runs in {state_directory().path}: start one with `varco up`, or name it with VARCO_HOME"
        )
    if service not in known:
        raise Unreachable(f"needs service {service}, which is not running (running: {', '.join(sorted(known))})")
    return known[service]


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {"title": f"{answer.status_code} {answer.reason_phrase}"}
    return found if isinstance(found, dict) else {}
