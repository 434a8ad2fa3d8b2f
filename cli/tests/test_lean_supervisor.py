"""`varco up` supervises without the packages of services, and talks to them without a library."""

import subprocess
import sys

import pytest

from varco_cli.stack import Stack, local_http

LARGE = ("fastapi", "httpx", "minio", "prometheus_client", "pygments", "rich", "sqlalchemy", "urllib3")
IMPORT = f"""
import sys
from varco_cli import optional_packages
optional_packages.leave_out()
import varco_cli.commands.up, varco_cli.stack.stack, varco_cli.stack.trial_account
print([name for name in {LARGE} if sys.modules.get(name)])
"""


def test_the_supervisor_imports_nothing_large() -> None:
    imported = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    assert imported.stdout == "[]\n"


@pytest.mark.asyncio(loop_scope="session")
async def test_a_service_answers_the_supervisor(stack: Stack) -> None:
    url = stack.apis["policy"]
    assert (await local_http.request("GET", f"{url}/accounts/acme")).status == 401
    answer = await local_http.request("GET", f"{url}/accounts/acme", token=stack.token)
    assert answer.ok
    assert b'"alice@acme.example"' in answer.body


async def test_nothing_answers_at_a_port_without_a_service(unused_tcp_port: int) -> None:
    with pytest.raises(OSError, match="Connect call failed"):
        await local_http.request("GET", f"http://127.0.0.1:{unused_tcp_port}/readyz")
