"""What relay's tests share."""

import uvloop


def pytest_asyncio_loop_factories():
    """The loop that services run on: its TLS and its writes differ from asyncio's own."""
    return {"uvloop": uvloop.new_event_loop}
