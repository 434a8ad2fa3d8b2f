"""Postfix as a peer: Debian's package, below a directory and with ports of its own."""

import os
import shutil
import subprocess
from pathlib import Path

# What every main.cf here begins with: no local mail, no DNS, and only this machine.
_MAIN = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
daemon_directory = {daemons}
command_directory = /usr/sbin
maillog_file = {home}/maillog
maillog_file_prefixes = /
multi_instance_name = postfix-{name}
syslog_name = {name}
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
disable_dns_lookups = yes
"""
_MASTER = """\
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
proxymap  unix - - n - - proxymap
error     unix - - n - - error
retry     unix - - n - - error
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


def why_not() -> str:
    """Says why Postfix can't run here; empty where it can."""
    if not shutil.which("postfix"):
        return "Postfix isn't installed (Debian: postfix)"
    return "Postfix's master process wants root" if os.geteuid() else ""


def write_configuration(home: Path, name: str, main: str, master: str) -> None:
    """`main` and `master` are further lines of main.cf and master.cf."""
    for folder in ("conf", "queue", "data"):
        (home / folder).mkdir(parents=True)
    for above in (home, *home.parents):  # Postfix's daemons drop root: they must get through
        if not above.stat().st_mode & 0o001:
            above.chmod(0o755)
    shutil.chown(home / "data", "postfix")
    (home / "maillog").touch()
    daemons = next(path for path in ("/usr/lib/postfix/sbin", "/usr/libexec/postfix") if Path(path).is_dir())
    (home / "conf/main.cf").write_text(_MAIN.format(home=home, name=name, daemons=daemons) + main)
    (home / "conf/master.cf").write_text(_MASTER + master)


def start(home: Path) -> int:
    """Returns the pid of the master process. Raises RuntimeError with Postfix's words."""
    command = ["postfix", "-c", str(home / "conf"), "start"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"Postfix doesn't start: {done.stderr} {(home / 'maillog').read_text()}")
    return int((home / "queue/pid/master.pid").read_text())
