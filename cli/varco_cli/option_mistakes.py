"""What to write in the place of an option or argument of the wrong type."""

from collections.abc import Mapping
from typing import Any

from varco_common.base.form_fields import FieldHint
from varco_common.base.mistakes import expectation
from varco_common.base.wording import shown


def sentence(error: Mapping[str, Any]) -> str:
    """`ten: expected a number, such as 500`. `error` is one of Pydantic's, without its words."""
    text = expectation(error, FieldHint())
    return text if error["type"] == "value_error" else f"{shown(error.get('input'))}: expected {text}"
