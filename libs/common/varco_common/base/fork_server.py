"""A process that has imported a program, and forks it on request: the server's side.

Processes that are forked share the memory of what was imported. The requests come over a socket of
type SOCK_SEQPACKET, with two file descriptors each: the output of the new process, and a pipe from
which it reads whether the client knows of it.

A new process is no child of the fork server but of its client, which adopts it. So it is waited for
like any child, and it outlives the fork server. For that it is forked by a process between, which
ends at once: then the kernel makes the client its parent.
"""

import gc
import os
import socket
import sys
from contextlib import suppress

import msgspec

from varco_common.base.linux_process import die_with, set_command_line

MESSAGE_BYTES = 1 << 17  # a whole environment: smaller than the buffer of a socket


class ForkRequest(msgspec.Struct, kw_only=True):
    """The arguments and the whole environment of the new process, and the pid of its parent.

    Its name is for `ps`. Supervisors before December 2026 give none: it is the last argument then.
    """

    name: str = ""
    arguments: list[str]
    environment: dict[str, str]
    parent: int


_decoder = msgspec.json.Decoder(ForkRequest)


def serve(connection: socket.socket, greeting: bytes) -> list[str]:
    """Answers requests with the pid of the new process until the client is gone. Then it exits.

    Returns only in each new process: the arguments of its request. To be called before there are
    threads, and when everything is imported.
    """
    gc.collect()
    gc.freeze()  # the collector writes into no object that is shared
    connection.send(greeting)
    while True:
        try:
            message, descriptors, _, _ = socket.recv_fds(connection, MESSAGE_BYTES, 2)
        except ConnectionResetError:  # the client went without reading an answer
            sys.exit()
        if not message:
            sys.exit()
        request = _decoder.decode(message)
        pid, between = _fork_orphan()
        if not pid:
            connection.close()
            _begin(request, descriptors, between)
            return request.arguments
        for descriptor in descriptors:
            os.close(descriptor)
        with suppress(ConnectionError):  # the client is gone: the new process ends by itself
            connection.send(str(pid).encode())


def _fork_orphan() -> tuple[int, int]:
    """Returns the pid of the new process; 0 in that process, with the pid of the one between."""
    reader, writer = os.pipe()
    between = os.fork()
    if between == 0:
        between = os.getpid()
        if pid := os.fork():
            os.write(writer, str(pid).encode())
            os._exit(0)
        os.close(reader)
        os.close(writer)
        return 0, between
    os.close(writer)
    with os.fdopen(reader) as answer:
        pid = int(answer.read())
    os.waitpid(between, 0)
    return pid, between


def _begin(request: ForkRequest, descriptors: list[int], between: int) -> None:
    """Gives the new process its session, files, environment and name. It waits for the client."""
    os.setsid()
    nothing, (output, known) = os.open(os.devnull, os.O_RDONLY), descriptors
    if not os.read(known, 1):
        os._exit(1)
    for number, descriptor in enumerate((nothing, output, output)):
        os.dup2(descriptor, number)
    for descriptor in {nothing, output, known} - {0, 1, 2}:
        os.close(descriptor)
    while os.getppid() == between:
        os.sched_yield()
    die_with(request.parent)
    os.environ.clear()
    os.environ.update(request.environment)
    set_command_line(request.name or request.arguments[-1], request.arguments)
