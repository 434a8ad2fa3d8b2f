"""The program of a worker process: the same service, until its standard input closes."""

import os
import signal
import sys
import threading

from varco_ingress_smtp.app import main


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    main()
