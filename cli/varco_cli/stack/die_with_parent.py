"""Executes a program that the kernel kills as soon as the parent process ends.

The supervisor runs this file: `python -I -S die_with_parent.py PARENT_PID PROGRAM ARGUMENTS...`.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2); it survives execve(2)

if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the supervisor is gone already")
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # handover.py blocks some for a moment
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the supervisor's own child, no shell between
