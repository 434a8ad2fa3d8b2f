"""The health check of every image: says whether this service is ready.

It runs every few seconds, so it avoids imports that cost time.
"""

import os
import socket
import sys

port = os.environ.get("VARCO_API_PORT", "8100")
if file := os.environ.get("VARCO_API_PORT_FILE"):
    with open(file) as port_file:  # noqa: PTH123 - pathlib takes a third of the time that this runs
        port = port_file.read()
with socket.create_connection(("127.0.0.1", int(port)), timeout=4) as connection:
    connection.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
    answer = b""
    while piece := connection.recv(4096):
        answer += piece
head, _, body = answer.partition(b"\r\n\r\n")
print(body.decode(errors="replace"))
sys.exit(head.split(b" ", 2)[1:2] != [b"200"])  # a service that is degraded answers 200, too
