"""Decide what a word without quotes means, to both versions of YAML."""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

Scalar: TypeAlias = "bool | int | float | str | None"

MOST_DIGITS = 64  # Python takes time that grows with the square of a number's digits
LEAST_INT, MOST_INT = -(1 << 63), (1 << 64) - 1  # what other languages can hold
_SAFE_DIGITS = 18
# Longer than "false" and begun by a letter: neither version takes it for anything but text.
_LONGEST_WORD = 5
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9A-Fa-f]+", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", re.ASCII
)
_INT_IN_BOTH = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9A-Fa-f]+", re.ASCII)
_FLOAT_IN_BOTH = re.compile(
    r"[-+]?[0-9]+\.[0-9]*(?:[eE][-+][0-9]+)?|\.[0-9]+(?:[eE][-+][0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    re.ASCII,
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?", re.ASCII)
_OLD_NUMBER = re.compile(
    r"[-+]?(?:0b[01_]+|0x[0-9A-Fa-f_]+|[0-9][0-9_]*(?::[0-5]?[0-9])*(?:\.[0-9_]*)?(?:[eE][-+][0-9]+)?"
    r"|\.[0-9_]+(?:[eE][-+][0-9]+)?)",
    re.ASCII,
)


class Meaning(NamedTuple):
    """What YAML 1.2 reads, and what 1.1 reads where that is something else."""

    value: Scalar
    elsewhere: str = ""  # "a date", "true or false", …
    problem: str = ""


def _cases(word: str) -> tuple[str, str, str]:
    return word, word.title(), word.upper()


_WORDS = {
    **{word: Meaning(None) for word in ("", "~", *_cases("null"))},
    **{word: Meaning(value=True) for word in _cases("true")},
    **{word: Meaning(value=False) for word in _cases("false")},
    **{word: Meaning(word, "true or false") for old in ("yes", "no", "on", "off", "y", "n") for word in _cases(old)},
    "<<": Meaning("<<", "a merge of mappings"),
    "=": Meaning("=", "a default value"),
}


def meaning_of(text: str) -> Meaning:
    """Read a scalar that has neither quotes nor tag, by the core schema of YAML 1.2."""
    first = text[:1]
    if first.isalpha() and len(text) > _LONGEST_WORD:
        return Meaning(text)
    if len(text) <= _SAFE_DIGITS and text.isascii() and text.isdecimal() and first != "0":
        return Meaning(int(text))
    word = _WORDS.get(text)
    if word is not None:
        return word
    return _number(text) if first in "+-.0123456789" else Meaning(text)


def _number(text: str) -> Meaning:
    is_int = _INT.fullmatch(text) is not None
    if is_int or _FLOAT.fullmatch(text):
        if len(text) > MOST_DIGITS:
            return Meaning(None, problem=f"a number of {len(text)} characters")
        if is_int:
            value = int(text, 0) if text.startswith(("0o", "0x")) else int(text)
            if not LEAST_INT <= value <= MOST_INT:
                return Meaning(None, problem="a number of more than 64 bits")
            return Meaning(value, "" if _INT_IN_BOTH.fullmatch(text) else "another number, or text")
        number = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        return Meaning(number, "" if _FLOAT_IN_BOTH.fullmatch(text) else "text")
    if _DATE.fullmatch(text):
        return Meaning(text, "a date")
    return Meaning(text, "a number" if len(text) <= MOST_DIGITS and _OLD_NUMBER.fullmatch(text) else "")
