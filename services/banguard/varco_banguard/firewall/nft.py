"""The only door to the kernel: `nft -j -f -`, one transaction a call."""

import asyncio
import os
import shutil
from collections.abc import Sequence

import msgspec

from varco_banguard.firewall.ruleset import Command
from varco_common.errors import TransientError

CAP_NET_ADMIN = 12  # capabilities(7)


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
    process = await asyncio.create_subprocess_exec(
        program() or "nft",
        "-j",
        "-f",
        "-",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(msgspec.json.encode({"nftables": commands}))
    if process.returncode:
        raise TransientError(f"nft: {said.decode(errors='replace').strip()[:500]}")
