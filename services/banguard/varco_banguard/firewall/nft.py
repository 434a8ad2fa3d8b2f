"""The only door to the kernel: `nft -j -f -`, one transaction a call."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Sequence

import msgspec

from varco_banguard.firewall.ruleset import Command
from varco_common.base.errors import TransientError
from varco_common.base.tasks import uncancellable

_SECONDS = 30.0


def allowed() -> str:
    """Why nft can't change the kernel's tables from here; empty where it can.

    It is asked itself, for it may have the right without this process having it (a file capability).
    """
    if not program():
        return "nft is not installed"
    asked = subprocess.run([program() or "nft", "list", "tables"], capture_output=True, check=False, timeout=_SECONDS)  # noqa: S603
    return "" if not asked.returncode else f"no NET_ADMIN: {asked.stderr.decode(errors='replace').strip()[:200]}"


def program() -> str | None:
    """Nft's place: /usr/sbin isn't on everybody's PATH."""
    return shutil.which("nft", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


async def run(commands: Sequence[Command]) -> None:
    """All of them, or none. Raises TransientError with nft's own words."""
    # In a thread and through pipes: nft opens /dev/stdin, and uvloop's standard input would be a socket.
    await uncancellable(asyncio.to_thread(_run, msgspec.json.encode({"nftables": commands})))


def _run(commands: bytes) -> None:
    done = subprocess.run(  # noqa: S603 - nft itself, and addresses that were parsed
        [program() or "nft", "-j", "-f", "-"], input=commands, capture_output=True, check=False, timeout=_SECONDS
    )
    if done.returncode:
        raise TransientError(f"nft: {(done.stdout + done.stderr).decode(errors='replace').strip()[:500]}")
