"""Varco in somebody else's comparison: a script that takes `--target NAME=HOST:PORT:...` and starts the peers itself."""

import asyncio
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from bench.gates.varco import running

SINK_PORT = 20025  # where such a script's next hop listens

console = Console()


async def compare(script: Path, workloads: list[str], rounds: int, scale: float) -> None:
    """Runs the script with Varco as a further target. There is no archive yet: it is told that no copy comes."""
    with tempfile.TemporaryDirectory(prefix="varco-bench-", ignore_cleanup_errors=True) as home:
        async with running(Path(home) / "varco", SINK_PORT) as stack:
            pids = Path(home) / "pids"
            pids.write_text(f"{stack.pid}\n")
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(script),
                *("--target", f"varco=127.0.0.1:{stack.smtp_port}:pids={pids}:can=exe"),
                *("--workloads", ",".join(workloads), "--rounds", str(rounds), "--scale", str(scale)),
                *("--json", str(Path(home) / "compare.json")),
            )
            if code := await process.wait():
                console.print(f"[red]{script.name} ended with {code}[/red]")
                raise SystemExit(code)
