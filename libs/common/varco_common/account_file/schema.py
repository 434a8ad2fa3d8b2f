"""The JSON Schema of account files, and files that name every key."""

import json
from importlib.resources import files
from typing import Any

FILE_NAME = "account_file.schema.json"  # in this package; `make docs` writes it


def schema_text() -> str:
    """Returns the schema as it is published."""
    return (files("varco_common.account_file") / FILE_NAME).read_text()


def schema() -> dict[str, Any]:
    """Returns the schema."""
    content: dict[str, Any] = json.loads(schema_text())
    return content


def section_by_key() -> dict[str, str]:
    """Returns the section, or the sections, for each key that may stand in one."""
    root, found = schema(), dict[str, list[str]]()
    for section, field in root["properties"].items():
        for part in _alternatives(field, root):
            for key in part.get("properties", ()):
                found.setdefault(key, []).append(section)
    return {key: " or ".join(sections) for key, sections in found.items()}


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """Returns the account file with every key that it may have.

    What a file leaves out stays when it is applied. So a file that is to bring an account back
    names what the account does not have, too.
    """
    root = schema()
    networks = [{"network": entry} if isinstance(entry, str) else entry for entry in document.get("networks", ())]
    sections = {name: value for name, value in document.items() if value not in (None, {})}
    result: dict[str, Any] = _completed({**sections, "networks": networks}, root, root)
    return result


def _completed(value: Any, field: dict[str, Any], root: dict[str, Any]) -> Any:
    if isinstance(value, list):
        items: dict[str, Any] = next((part["items"] for part in _alternatives(field, root) if "items" in part), {})
        return [_completed(entry, items, root) for entry in value]
    shape = next((part for part in _alternatives(field, root) if "properties" in part), None)
    if shape is None:
        return _named(value, field, root)
    if not isinstance(value, dict):
        return value
    result = {}
    for name, inner in shape["properties"].items():
        if name in value:
            result[name] = _completed(value[name], inner, root)
        elif not inner.get("writeOnly") and ("beside" not in inner or inner["beside"] in value):
            result[name] = (
                inner["default"]
                if inner.get("default") not in (None, "")
                else (False if _is_boolean(inner, root) else None)
            )
    return result


def _named(value: Any, field: dict[str, Any], root: dict[str, Any]) -> Any:
    """A mapping whose keys are names from a list has all of them."""
    mapping = next((part for part in _alternatives(field, root) if "propertyNames" in part), None)
    if not isinstance(value, dict) or mapping is None:
        return value
    names: list[str] = next(
        (part["enum"] for part in _alternatives(mapping["propertyNames"], root) if "enum" in part), []
    )
    inner = mapping.get("additionalProperties", {})
    return {name: _completed(value[name], inner, root) if name in value else None for name in names}


def _is_boolean(field: dict[str, Any], root: dict[str, Any]) -> bool:
    return any(part.get("type") == "boolean" for part in _alternatives(field, root))


def _alternatives(field: dict[str, Any], root: dict[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in field:
        return _alternatives(root["$defs"][field["$ref"].rpartition("/")[2]], root)
    return [part for inner in field["anyOf"] for part in _alternatives(inner, root)] if "anyOf" in field else [field]
