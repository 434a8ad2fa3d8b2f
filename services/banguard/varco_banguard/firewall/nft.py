"""Calls nft. `run` is one transaction."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Sequence

import msgspec

from varco_banguard.firewall.ruleset import Command
from varco_common.base.errors import TransientError
from varco_common.base.tasks import uncancellable

_SECONDS = 30.0  # a call takes milliseconds; this ends one that hangs


def obstacle() -> str:
    """Why nft can't change the kernel's tables here; empty if it can.

    Only a call of nft can tell: it may have the right when this process does not (a file
    capability).
    """
    if not program():
        return "nft is not installed"
    done = _call("list", "tables")
    return "" if not done.returncode else f"no NET_ADMIN: {done.stderr.decode(errors='replace').strip()[:200]}"


def program() -> str | None:
    """The path of nft, also if /usr/sbin is not on this process's PATH."""
    return shutil.which("nft", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


async def run(commands: Sequence[Command]) -> None:
    """Runs all commands or none. Raises TransientError, whose text is that of nft."""
    # In a thread, with pipes: nft opens /dev/stdin, and the standard input of a child of uvloop is
    # a socket.
    await uncancellable(asyncio.to_thread(_run, msgspec.json.encode({"nftables": commands})))


def _run(commands: bytes) -> None:
    done = _call("-j", "-f", "-", stdin=commands)
    if done.returncode:
        raise TransientError(f"nft: {(done.stdout + done.stderr).decode(errors='replace').strip()[:500]}")


def _call(*arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [program() or "nft", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=_SECONDS)  # noqa: S603 - nft
