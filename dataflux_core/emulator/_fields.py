"""Keep the parts of a resource that a `fields` selector names."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

from dataflux_core.emulator._errors import ApiError

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

# None selects everything below; a mapping selects its keys. "*" stands for every key of its level.
Selector: TypeAlias = "dict[str, Selector] | None"


@lru_cache(maxsize=256)
def parse_fields(text: str) -> Selector:
    """Parse `items(name,size),nextPageToken` or `items/name` into nested mappings."""
    if not text or text == "*":
        return None
    selected, position = _parse_level(text, 0)
    if position != len(text):
        raise ApiError(400, f"Invalid field selection {text}", "invalidParameter")
    return selected


def _parse_level(text: str, position: int) -> tuple[dict[str, Selector], int]:
    level: dict[str, Selector] = {}
    while True:
        position = _parse_path(text, position, level)
        if position < len(text) and text[position] == ",":
            position += 1
            continue
        return level, position


def _parse_path(text: str, position: int, level: dict[str, Selector]) -> int:
    start = position
    while position < len(text) and text[position] not in ",/()":
        position += 1
    key = text[start:position].strip()
    if not key:
        raise ApiError(400, f"Invalid field selection {text}", "invalidParameter")
    below: dict[str, Selector] | None = None
    if position < len(text) and text[position] == "/":
        below = {}
        position = _parse_path(text, position + 1, below)
    elif position < len(text) and text[position] == "(":
        below, position = _parse_level(text, position + 1)
        if position >= len(text) or text[position] != ")":
            raise ApiError(400, f"Invalid field selection {text}", "invalidParameter")
        position += 1
    _merge(level, key, below)
    return position


def _merge(level: dict[str, Selector], key: str, below: dict[str, Selector] | None) -> None:
    known = level.get(key)
    if key in level and known is not None and below is not None:
        for name, value in below.items():
            _merge(known, name, value)
    elif key not in level or below is None:
        level[key] = below


def select(resource: Json, selector: Selector) -> Json:
    """Copy the selected parts of a resource; a list is selected element by element."""
    if selector is None:
        return resource
    if isinstance(resource, list):
        return [select(element, selector) for element in resource]
    if not isinstance(resource, dict):
        return resource
    if "*" in selector:
        return {key: select(value, selector.get(key, selector["*"])) for key, value in resource.items()}
    return {key: select(value, selector[key]) for key, value in resource.items() if key in selector}


def wants(selector: Selector, key: str) -> bool:
    """Say whether a selector keeps the given key of the top level."""
    return selector is None or key in selector or "*" in selector


def below(selector: Selector, key: str) -> Selector:
    """Give the selector that applies beneath a key which is wanted."""
    if selector is None:
        return None
    return selector[key] if key in selector else selector.get("*")
