"""The only door to the kernel: `nft -j -f -`, one transaction a call."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Sequence

import msgspec

from varco_banguard.firewall.ruleset import Command
from varco_common.errors import TransientError
from varco_common.tasks import whole

CAP_NET_ADMIN = 12  # capabilities(7)
_SECONDS = 30.0


def allowed() -> str:
    """Why this process can't change the kernel's tables; empty where it can."""
    if not program():
        return "nft is not installed"
    with open("/proc/self/status") as status:  # noqa: PTH123 - procfs
        effective = next((line.split()[1] for line in status if line.startswith("CapEff:")), "0")
    if not int(effective, 16) >> CAP_NET_ADMIN & 1:
        return "this process has no NET_ADMIN"
    return ""


def program() -> str | None:
    """Nft's place: /usr/sbin isn't on everybody's PATH."""
    return shutil.which("nft", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


async def run(commands: Sequence[Command]) -> None:
    """All of them, or none. Raises TransientError with nft's own words."""
    # In a thread and through pipes: nft opens /dev/stdin, and uvloop's standard input would be a socket.
    await whole(asyncio.to_thread(_run, msgspec.json.encode({"nftables": commands})))


def _run(commands: bytes) -> None:
    done = subprocess.run(  # noqa: S603 - nft itself, and addresses that were parsed
        [program() or "nft", "-j", "-f", "-"], input=commands, capture_output=True, check=False, timeout=_SECONDS
    )
    if done.returncode:
        raise TransientError(f"nft: {(done.stdout + done.stderr).decode(errors='replace').strip()[:500]}")
