"""What the requests of all services have in common."""

from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict

from varco_common.base.merge_patch import is_off
from varco_common.base.wording import ACCOUNT_NAME

AccountName = Annotated[str, Path(pattern=ACCOUNT_NAME, description="The account's name.")]


class StrictModel(BaseModel):
    """A field that does not exist is an error, never ignored."""

    model_config = ConfigDict(extra="forbid")


def none_if_off(value: Any) -> Any:
    """For sections that may be `off`: they are None then."""
    return None if is_off(value) else value
