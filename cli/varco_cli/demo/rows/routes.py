"""Routes: a rule for some recipients, whose first next hop is down."""

from typing import Any

from varco_cli.demo.demo_gate import DemoGate, DemoRow, SmtpAnswer, message
from varco_common.testing.next_hop import NextHop

PARTNER = "carol@partner.example"
DOWN = "127.0.0.1:9"  # the discard port: nobody answers there


def partner_route(hop: NextHop) -> dict[str, Any]:
    """The rule, as an account file has it."""
    return {"recipients": ["@partner.example"], "smarthosts": [DOWN, f"127.0.0.1:{hop.port}"], "tls": "none"}


def to_the_partner(gate: DemoGate) -> SmtpAnswer:
    return gate.submit(message("the contract"), recipients=(PARTNER,))


ROWS = (DemoRow("a route for some recipients, whose first next hop is down", "250", to_the_partner),)
