"""Calls of the services' HTTP APIs: address and token from VARCO_HOME, errors as Failures."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
        answer: dict[str, Any] = msgspec.json.decode(state_directory().state.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):  # damaged: no stack that runs left it like this
        return None
    return answer


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
    if token := os.environ.get("VARCO_TOKEN"):
        return token
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
    """The decoded answer of one request; None if it has no body. Raises a Failure."""
    with _open(service, method, path, params=params, json=json, headers=headers) as response:
        return response.json() if response.read() else None


def fetch(service: str, path: str) -> bytes:
    """The bytes of one answer. Raises a Failure."""
    with _open(service, "GET", path) as response:
        return response.read()


def download(service: str, path: str, to: BinaryIO) -> None:
    """Writes the bytes of one answer to a file as they arrive. Raises a Failure."""
    with _open(service, "GET", path) as response:
        to.writelines(response.iter_bytes(1024 * 1024))


def lines(
    service: str, path: str, *, params: Mapping[str, Any] | None = None, method: str = "GET", json: object = None
) -> Iterator[str]:
    """Yields the lines of an answer as they arrive, however long that takes. Raises a Failure."""
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
    """The response of a request, its body not read yet.

    Timeouts are in seconds. Raises a Failure.
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


def _failure(answer: httpx.Response) -> Failure:
    problem = _problem(answer)
    kind = _FAILURES.get(answer.status_code, Refused if answer.status_code < 500 else Unreachable)
    if problem.get("errors"):
        kind = Misused  # the service could not read the request
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
        answer = answer.json()
    except ValueError:
        return {"title": f"{answer.status_code} {answer.reason_phrase}"}
    return answer if isinstance(answer, dict) else {}
