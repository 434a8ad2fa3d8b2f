"""Counts the samples that py-spy takes of a Python process by function."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

import msgspec

from varco_common.testing.processes import binary

RATE = 250  # samples a second
SECONDS = 5

Shares = list[tuple[str, float]]  # function (file), share of the samples


class Functions(msgspec.Struct, frozen=True):
    """The most used functions, by `own` time and by time with all that they call (`whole`)."""

    own: Shares = []
    whole: Shares = []


class Frame(msgspec.Struct):
    name: str
    file: str | None = None


class Frames(msgspec.Struct):
    frames: list[Frame]


class Samples(msgspec.Struct):
    samples: list[list[int]]


class Speedscope(msgspec.Struct):
    """The part of https://www.speedscope.app/file-format-schema.json that is needed here."""

    shared: Frames
    profiles: list[Samples]


async def spied(pid: int, most: int) -> Functions:
    """Samples the process for some seconds. Empty where py-spy may not read it."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        # only what holds the interpreter: threads that wait for work would count as busy
        options = (
            "--gil",
            "--format",
            "speedscope",
            "--rate",
            str(RATE),
            "--duration",
            str(SECONDS),
            "--output",
            file.name,
        )
        nothing = asyncio.subprocess.DEVNULL
        spy = await asyncio.create_subprocess_exec(
            binary("py-spy"), "record", "--pid", str(pid), *options, stdout=nothing, stderr=nothing
        )
        if await spy.wait():
            return Functions()
        return counted(await asyncio.to_thread(Path(file.name).read_bytes), most)


def counted(speedscope: bytes, most: int) -> Functions:
    """Counts the functions of a speedscope file: at the top of the stack, and anywhere on it."""
    scope = msgspec.json.decode(speedscope, type=Speedscope)
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    names = [f"{frame.name} ({Path(frame.file or '').name})" for frame in scope.shared.frames]
    for stack in (stack for profile in scope.profiles for stack in profile.samples if stack):
        own[names[stack[-1]]] += 1
        whole.update({names[place] for place in stack})
    total = own.total() or 1
    return Functions(*([(name, n / total) for name, n in counts.most_common(most)] for counts in (own, whole)))
