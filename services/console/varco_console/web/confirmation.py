"""Asks somebody who is signed in for the password or a code: a stolen session is not enough."""

from fastapi import Request

from varco_console.people import BrowserSession
from varco_console.sign_in import Refusal
from varco_console.web.context import console_of
from varco_console.web.session_answer import host_of


async def unproven(request: Request, opened: BrowserSession, proof: str) -> str:
    """Why the person is not taken for who signed in: the key of a text, or empty."""
    person = opened.person
    if not proof and (person.hash or person.factor):
        return "proof"  # asked for, and no strike: a script may have sent the form without it
    refusal = await console_of(request).sign_in.confirm(opened, proof, host_of(request))
    return {None: "", Refusal.BUSY: "busy", Refusal.WRONG: "proof"}[refusal]
