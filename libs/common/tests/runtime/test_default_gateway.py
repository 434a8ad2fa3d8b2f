"""The default gateway is read from Linux's own tables."""

import subprocess
import sys

from varco_common.runtime.default_gateway import default_gateways

ROUTE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010012AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth1\t000013AC\t010013AC\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0
"""
NONE, GLOBAL, LOCAL = "0" * 32, "fd00" + "0" * 27 + "1", "fe80" + "0" * 27 + "1"
IPV6_ROUTE = f"""\
{GLOBAL} 40 {NONE} 00 {NONE} 00000100 00000001 00000000 00000001     eth0
{NONE} 00 {NONE} 00 {GLOBAL} 00000400 00000002 00000000 00000003     eth0
{NONE} 00 {NONE} 00 {LOCAL} 00000400 00000002 00000000 00000003     eth1
{NONE} 00 {NONE} 00 {NONE} ffffffff 00000001 00000000 00200200       lo
"""


def test_a_gateway_is_the_next_machine_of_a_default_route_alone(tmp_path):
    if sys.byteorder == "little":  # as the sample was taken
        (tmp_path / "route").write_text(ROUTE)
    (tmp_path / "ipv6_route").write_text(IPV6_ROUTE)
    assert default_gateways(tmp_path) == ("172.18.0.1", "fd00::1")


def test_without_linux_there_is_none(tmp_path):
    assert default_gateways(tmp_path) == ()


def test_it_is_what_the_kernel_says_here():
    told = subprocess.run(["ip", "-4", "route", "show", "default"], capture_output=True, text=True, check=True).stdout
    words = [line.split() for line in told.splitlines()]
    expected = {line[line.index("via") + 1] for line in words if "via" in line}
    assert {gateway for gateway in default_gateways() if ":" not in gateway} == expected
