"""Calls the services' HTTP APIs. VARCO_HOME has their addresses and the token.

An error of a service becomes a CommandFailure.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import msgspec

from varco_cli.failures import CommandFailure, Conflict, Misused, Refused, Unauthorised, Unreachable
from varco_cli.stack.state_directory import StateDirectory

_FAILURES: dict[int, type[CommandFailure]] = {401: Unauthorised, 403: Unauthorised, 409: Conflict, 503: Unreachable}


def state_directory() -> StateDirectory:
    """Returns the directory that VARCO_HOME names, as an absolute path."""
    return StateDirectory(Path(os.environ.get("VARCO_HOME", "var")).absolute())


def state() -> dict[str, Any] | None:
    """Returns the state that the supervisor wrote; None while no stack runs."""
    try:
        answer: dict[str, Any] = msgspec.json.decode(state_directory().state.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):  # damaged, so no running stack wrote it
        return None
    return answer


def apis() -> dict[str, str]:
    """Returns the base URL of each service.

    VARCO_APIS (`policy=http://...,relay=http://...`) takes precedence over the running stack.
    """
    if named := os.environ.get("VARCO_APIS"):
        return dict(part.strip().split("=", 1) for part in named.split(",") if "=" in part)
    running: dict[str, str] = (state() or {}).get("apis", {})
    return running


def apis_are_given() -> bool:
    """Says whether VARCO_APIS names the services."""
    return bool(os.environ.get("VARCO_APIS"))


def token() -> str:
    """Returns VARCO_TOKEN, or else the admin token of VARCO_HOME. Raises Unauthorised."""
    if token := os.environ.get("VARCO_TOKEN"):
        return token
    try:
        return state_directory().admin_token.read_text().strip()
    except OSError as error:
        raise Unauthorised(
            f"no token: set VARCO_TOKEN, or VARCO_HOME ({state_directory().admin_token}: {error.strerror})"
        ) from None


def require_gate() -> None:
    """Raises Unreachable where no gate runs here and none is named."""
    if not apis():
        raise Unreachable(
            f"no stack runs in {state_directory().path}: start one with `varco up`, or name it with VARCO_HOME"
        )


def serving(service: str) -> bool:
    """Says whether the gate runs this service."""
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
    """Sends a request and returns its decoded answer, or None without a body.

    Raises a CommandFailure.
    """
    with _open(service, method, path, params=params, json=json, headers=headers) as response:
        return response.json() if response.read() else None


def pages(service: str, path: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields the pages of a list, each requested with `next` of the page before."""
    page = call(service, "GET", path, params=params)
    yield page
    while page["next"]:
        page = call(service, "GET", path, params={**params, "cursor": page["next"]})
        yield page


def fetch(service: str, path: str) -> bytes:
    """Returns the bytes of an answer. Raises a CommandFailure."""
    with _open(service, "GET", path) as response:
        return response.read()


def download(service: str, path: str, to: BinaryIO) -> None:
    """Writes the bytes of an answer to a file as they arrive. Raises a CommandFailure."""
    with _open(service, "GET", path) as response:
        to.writelines(response.iter_bytes(1024 * 1024))


def lines(
    service: str, path: str, *, params: Mapping[str, Any] | None = None, method: str = "GET", json: object = None
) -> Iterator[str]:
    """Yields the lines of an answer as they arrive, without a timeout. Raises a CommandFailure."""
    with _open(service, method, path, params=params, json=json, read_timeout=None) as response:
        yield from response.iter_lines()


@contextmanager
def _open(
    service: str,
    method: str,
    path: str,
    *,
    params: Mapping[str, Any] | None = None,
    json: object = None,
    headers: Mapping[str, str] | None = None,
    read_timeout: float | None = 30,
) -> Iterator[httpx.Response]:
    """Sends a request and yields the response before its body is read.

    Timeouts are in seconds. Raises a CommandFailure.
    """
    base = _base(service)
    query = {name: value for name, value in (params or {}).items() if value not in (None, "")}
    all_headers = {"Authorization": f"Bearer {token()}", **(headers or {})}
    timeout = httpx.Timeout(30, read=read_timeout)
    try:
        with httpx.stream(
            method, base + path, params=query, json=json, headers=all_headers, timeout=timeout, trust_env=False
        ) as response:
            if not response.is_success:
                response.read()
                raise _failure(response)
            yield response
    except httpx.HTTPError as error:
        raise Unreachable(f"{service} doesn't answer at {base}: {error}") from None


def _failure(answer: httpx.Response) -> CommandFailure:
    problem = _problem(answer)
    kind = _FAILURES.get(answer.status_code, Refused if answer.status_code < 500 else Unreachable)
    if problem.get("errors"):
        kind = Misused  # the service could not read the request
    return kind(str(problem.get("detail") or problem.get("title") or answer.status_code), problem)


def _base(service: str) -> str:
    require_gate()
    known = apis()
    if service not in known:
        raise Unreachable(f"needs service {service}, which is not running (running: {', '.join(sorted(known))})")
    return known[service]


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        answer = answer.json()
    except ValueError:
        return {"title": f"{answer.status_code} {answer.reason_phrase}"}
    return answer if isinstance(answer, dict) else {}
