"""Make sure that values which came from no text can be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core._wire.flare.building import MAX_DEPTH
from dataflux_core._wire.flare.scalars import LEAST_INT, MOST_INT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflux_core._wire.flare.building import Value
    from dataflux_core._wire.flare.marks import ValuePath
    from dataflux_core._wire.flare.problems import Problems

_HEADERS_DEPTH = 2  # lists and mappings around the headers


def check_headers(headers: Mapping[str, Value], path: ValuePath, problems: Problems) -> None:
    """Note what among the headers of a stream no playlist can hold."""
    _check(dict(headers), path, problems, MAX_DEPTH - _HEADERS_DEPTH)


def check_text(text: str, path: ValuePath, problems: Problems) -> None:
    """Note a text that no UTF-8 stands for."""
    try:
        text.encode()
    except UnicodeEncodeError:
        problems.error(path, "half a surrogate pair, which is no character", "write the character itself")


def _check(value: object, path: ValuePath, problems: Problems, depth: int) -> None:
    if isinstance(value, (list, dict)) and not depth:
        problems.error(path, f"more than {MAX_DEPTH} lists and mappings within each other", "make it flatter")
    elif isinstance(value, str):
        check_text(value, path, problems)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check(item, (*path, index), problems, depth - 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_name(name, path, problems)
            _check(item, (*path, str(name)), problems, depth - 1)
    elif isinstance(value, int) and not LEAST_INT <= value <= MOST_INT:
        problems.error(path, "a number of more than 64 bits", "write it as text")
    elif not (value is None or isinstance(value, (int, float))):
        problems.error(
            path, f"a {type(value).__name__}", "give None, bool, int, float, str, or a list or dict of these"
        )


def _check_name(name: object, path: ValuePath, problems: Problems) -> None:
    if isinstance(name, str):
        check_text(name, (*path, name), problems)
    else:
        problems.error(path, f"the name {name!r} is no text", "give a str")
