"""The route about the addresses that our mail leaves from."""

from fastapi import APIRouter
from pydantic import BaseModel

from varco_common.runtime.auth import Admin
from varco_domains.api.reputation import ReputationOut, ReputationView


class AddressOut(BaseModel):
    """One of our addresses. `reputation` is None until the first look at it has ended."""

    address: str
    reputation: ReputationOut | None


def router(view: ReputationView) -> APIRouter:
    """The only route."""
    api = APIRouter(tags=["reputation"])

    @api.get("/addresses")
    async def addresses(_: Admin) -> list[AddressOut]:
        """Our own addresses, and what the world sees of them."""
        return [AddressOut(address=address, reputation=view.of(address)) for address in view.addresses]

    return api
