"""Runs a foreign comparison with Varco in it.

The script takes `--target NAME=HOST:PORT:...` and starts the peers itself.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from bench.gates.varco import apply, running

SINK_PORT = 20025  # where such a script's next hop listens
LINKS: dict[str, object] = {"account": "bench", "filelink": {"over": "10MB"}}  # what W5 needs


async def compared(script: Path, workloads: list[str], rounds: int, scale: float) -> str:
    """Runs the script, and returns what it prints: tables in Markdown.

    Varco runs without archive, so the script is told to expect no copy.
    """
    with tempfile.TemporaryDirectory(prefix="varco-bench-", ignore_cleanup_errors=True) as home:
        async with running(Path(home) / "varco", SINK_PORT) as stack:
            if "W5" in workloads:
                await apply(stack, LINKS)
            can = "exe,link" if "W5" in workloads else "exe"
            pids = _written(Path(home) / "pids", stack.pid)
            options = ("--workloads", ",".join(workloads), "--rounds", str(rounds), "--scale", f"{scale:g}")
            target = f"varco=127.0.0.1:{stack.smtp_port}:pids={pids}:can={can}"
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(script),
                *("--target", target, *options, "--json", str(Path(home) / "compare.json")),
                stdout=asyncio.subprocess.PIPE,
            )
            said, _ = await process.communicate()
            if process.returncode:
                raise SystemExit(f"{script.name} ended with {process.returncode}")
    command = f"`{script.name} --target varco=127.0.0.1:2525:pids=FILE:can={can} {' '.join(options)}`"
    return f"{command}, {time.strftime('%d %B %Y')}.\n{said.decode()}"


def _written(file: Path, pid: int) -> Path:
    file.write_text(f"{pid}\n")
    return file
