"""Write a playlist as YAML that every reader reads alike."""

from __future__ import annotations

import io
import json
import math
import re
from typing import TYPE_CHECKING

from dataflux_core._wire.flare.scalars import meaning_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dataflux_core._wire.flare.building import Value
    from dataflux_core._wire.flare.scalars import Scalar
    from dataflux_core._wire.flare.streams import StreamSpec

_STEP = "  "
# Words with single spaces between; none of them begins a comment or ends in a colon, the first begins with a letter.
_WORD = r"(?:[A-Za-z0-9_./:@%+=&?~,;!$'()*#-]*[A-Za-z0-9_./@%+=&?~,;!$'()*#-])"
_PLAIN = re.compile(rf"(?=[A-Za-z/]){_WORD}(?: (?!#){_WORD})*")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_LONGEST_NAME = 120  # characters; YAML wants longer ones marked by "?", from 1024 on
_SHORT_LIST = 8  # numbers on one line: a shape
# What a terminal or an editor would act on, what one version of YAML takes for the end of a line.
_TO_ESCAPE = re.compile("[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff\ud800-\udfff]")


def written(streams: Iterable[StreamSpec]) -> str:
    """Return the text of a playlist: the same streams give the same text, in every version."""
    text = io.StringIO()  # a list of a million lines would take three times as much
    for stream in streams:
        text.writelines(f"{line}\n" for line in _stream(stream))
    return text.getvalue() or "{}\n"


def written_bytes(streams: Iterable[StreamSpec]) -> int:
    """Return how long that text is, without holding it."""
    return sum(len(line.encode()) + 1 for stream in streams for line in _stream(stream))


def _stream(stream: StreamSpec) -> Iterator[str]:
    yield from _entry("", stream.name, {"headers": dict(stream.headers), "content": list(stream.content)})


def _entry(indent: str, name: str, value: Value) -> Iterator[str]:
    """Write a name with what belongs to it."""
    head = f"{indent}{_name(name)}:"
    if len(name) > _LONGEST_NAME:
        yield f"{indent}? {_name(name)}"
        head = f"{indent}:"
    short = _on_one_line(value)
    if short is not None:
        yield f"{head} {short}"
        return
    yield head
    yield from _lines(indent + _STEP, value)


def _lines(indent: str, value: Value) -> Iterator[str]:
    """Write what does not fit on one line."""
    if isinstance(value, list):
        for item in value:
            short = _on_one_line(item)
            if short is not None:
                yield f"{indent}- {short}"
            else:
                yield f"{indent}-"
                yield from _lines(indent + _STEP, item)
    else:
        for name, item in value.items():  # type: ignore[union-attr] # a scalar fits on one line
            yield from _entry(indent, name, item)


def _on_one_line(value: Value) -> str | None:
    if isinstance(value, list):
        return _short_list(value)
    if value is None or isinstance(value, (str, bool, int, float)):
        return _scalar(value)
    return None if value else "{}"


def _short_list(values: Sequence[Value]) -> str | None:
    """Write a few numbers side by side, as those of a shape; None for another list."""
    if len(values) > _SHORT_LIST or any(isinstance(value, (str, list, dict)) for value in values):
        return None
    return f"[{', '.join(_scalar(value) for value in values)}]"  # type: ignore[arg-type] # no list or mapping is left


def _scalar(value: Scalar) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if _is_plain(value) else _quoted(value)
    return int.__repr__(value) if isinstance(value, int) else _float(value)


def _float(value: float) -> str:
    """Write a number that both versions of YAML take for a float: with a point, with the exponent's sign."""
    if not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    digits, mark, exponent = float.__repr__(value).partition("e")  # numpy's floats are floats of another repr
    return digits + ("" if "." in digits else ".0") + mark + exponent


def _name(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) and _is_text(name) else _quoted(name)


def _is_plain(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None and _is_text(text)


def _is_text(text: str) -> bool:
    """Tell whether both versions of YAML take it for text without quotes."""
    meaning = meaning_of(text)
    return isinstance(meaning.value, str) and not meaning.elsewhere


def _quoted(text: str) -> str:
    """Write JSON's escapes, which YAML reads."""
    return _TO_ESCAPE.sub(lambda found: f"\\u{ord(found.group()):04x}", json.dumps(text, ensure_ascii=False))
