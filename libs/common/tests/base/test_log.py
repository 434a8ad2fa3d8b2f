"""Log lines: one JSON object each, on standard error, with the service and the mail's id."""

import asyncio
import errno
import io
import json
import logging

import pytest
import urllib3

from varco_common.base import log


@pytest.fixture
def lines():
    stream = io.StringIO()
    log.configure("info", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_names_service_and_mail(lines):
    with log.of(service="relay", mail="m1"):
        log.get("varco_relay.delivery_attempt").info("delivered", host="mx")
    log.get("x").info("after")
    assert lines()[0] | {"at": ""} == {
        "at": "",
        "level": "info",
        "service": "relay",
        "event": "delivered",
        "mail": "m1",
        "component": "varco_relay.delivery_attempt",
        "host": "mx",
    }
    assert "mail" not in lines()[1]


def test_no_signed_url_of_the_object_store_is_logged(lines):
    pool = urllib3.HTTPConnectionPool("127.0.0.1", 1, retries=urllib3.Retry(1))
    with pytest.raises(urllib3.exceptions.MaxRetryError):
        pool.urlopen("GET", "/bodies/a?X-Amz-Signature=secret")
    assert not [line for line in lines() if "secret" in json.dumps(line)]


async def test_a_task_keeps_the_mail_that_it_was_begun_for(lines):
    async def late():
        log.get("x").info("late")

    with log.of(mail="m1"):
        task = asyncio.create_task(late())
    with log.of(mail="m2"):
        await task
    assert lines()[0]["mail"] == "m1"


def test_the_lean_line_looks_like_any_other(lines):
    with log.of(service="ingress-smtp"):
        log.line("accepted", {"mail": "m1", "size": 5})
    assert lines()[0] | {"at": ""} == {
        "at": "",
        "level": "info",
        "service": "ingress-smtp",
        "event": "accepted",
        "mail": "m1",
        "size": 5,
    }


def test_the_level_counts_for_every_kind_of_line(lines):
    log.configure("error", log._output.stream)
    log.line("accepted", {})
    log.get("x").info("unseen")
    logging.getLogger("library").warning("unseen")
    log.get("x").error("seen")
    assert [line["event"] for line in lines()] == ["seen"]


def test_libraries_and_exceptions_are_lines_too(lines):
    try:
        raise ZeroDivisionError("a bug\nof two lines")  # noqa: TRY301  # it is what is logged
    except ZeroDivisionError:
        log.get("x").exception("failed", value=object)
        logging.getLogger("library").exception("it failed: %s", "so")
    own, library = lines()
    assert (own["event"], own["level"]) == ("failed", "error")
    assert "a bug\nof two lines" in own["traceback"]
    assert (library["event"], library["component"]) == ("it failed: so", "library")
    assert "ZeroDivisionError" in library["traceback"]


def test_a_full_disk_loses_lines_and_stops_nothing(lines):
    full = io.TextIOWrapper(Full())
    log.configure("info", full)
    log.line("mail answered", {"mail": "m1"})
    log.get("x").error("something else")
    assert full.buffer.refused == 2


class Full(io.RawIOBase):
    """A disk without room."""

    refused = 0

    def writable(self):
        return True

    def write(self, _):
        self.refused += 1
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self):
        pass
