"""How a process starts and ends, seen from outside: signals, exit codes, log lines."""

import json
import os
import signal
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio
from varco_common.base import log
from varco_common.runtime.service import Service, draining, run
from varco_common.runtime.settings import ServiceSettings

async def patient(settings):
    try:
        print("up", flush=True)
        await asyncio.Event().wait()
    finally:
        print("draining", draining().is_set(), flush=True)

async def crashing(settings):
    raise ZeroDivisionError("a bug")

async def deaf(settings):
    print("up", flush=True)
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            print("heard", flush=True)

async def crashing_late(settings):
    try:
        await asyncio.Event().wait()
    finally:
        raise LookupError("another bug")

async def unfinished(settings):
    print("up", flush=True)

async def misset(settings):
    from varco_common.runtime.settings import BrokenSetting
    raise BrokenSetting("VARCO_API_PORT", 25, "a free port")

def service(serve):
    return Service(name=serve.__name__, role=("worker",), settings=ServiceSettings, serve=serve)
"""


def start(*services, **environment):
    program = f"{PROGRAM}\nrun({', '.join(f'service({name})' for name in services)})"
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_exits_0(number):
    process = start("patient")
    assert process.stdout.readline() == "up\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "draining True\n")
    assert [line["event"] for line in lines(err)] == ["starting", "ended"]
    assert all(line["service"] == "patient" and line["at"].endswith("Z") for line in lines(err))


def test_a_crash_exits_1_with_a_log_line():
    process = start("crashing")
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    crash = lines(err)[-1]
    assert (crash["event"], crash["service"], crash["level"]) == ("crashed", "crashing", "error")
    assert "a bug" in crash["traceback"]


def test_a_service_that_ends_by_itself_is_a_crash():
    process = start("unfinished")
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "without being told to" in lines(err)[-1]["error"]


def test_a_crash_ends_the_other_services_of_the_process_in_order():
    process = start("patient", "crashing")
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "up\ndraining True\n")


def test_a_service_that_does_not_drain_in_time_is_ended():
    process = start("deaf", VARCO_DRAIN="100ms")
    assert process.stdout.readline() == "up\n"
    process.terminate()
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert lines(err)[-1]["event"] == "not drained in time"


def test_the_crash_that_ends_a_group_is_logged_before_the_others_drain():
    process = start("deaf", "crashing", VARCO_DRAIN="1h")
    assert process.stdout.readline() == "up\n"
    while json.loads(process.stderr.readline())["event"] != "crashed":
        pass
    assert process.poll() is None
    process.kill()
    process.communicate(timeout=20)


@pytest.mark.parametrize("misses", [["deaf", "crashing"], ["misset", "crashing"], ["deaf", "misset", "crashing_late"]])
def test_each_crash_is_logged_whatever_else_is_wrong(misses):
    process = start(*misses, VARCO_DRAIN="100ms")
    _, err = process.communicate(timeout=60)
    crashed = [line["service"] for line in map(json.loads, err.splitlines()[:-1]) if line["event"] == "crashed"]
    assert crashed == [name for name in misses if name.startswith("crashing")]
    assert process.returncode == (2 if "misset" in misses else 1)


def test_a_second_signal_does_not_wait():
    process = start("deaf")
    assert process.stdout.readline() == "up\n"
    process.terminate()
    assert process.stdout.readline() == "heard\n"
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 1


def test_a_setting_that_shows_to_be_broken_only_while_starting_exits_2():
    process = start("misset")
    _, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert err.splitlines()[-1] == "VARCO_API_PORT=25: expected a free port"
