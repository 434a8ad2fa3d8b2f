"""A device keeps its password, and the gate shows the provider a token (OAuth 2.0)."""

from varco_cli.demo.demo_gate import CLOUD_LOGIN, DemoRow, message

ROWS = (
    DemoRow(
        "a printer's scan, by password in and by token out",
        "250",
        lambda gate: gate.submit(message("Scan", sender=CLOUD_LOGIN), login=CLOUD_LOGIN, sender=CLOUD_LOGIN),
    ),
)
