"""Playlists for tests."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import yaml

from dataflux_core._wire.flare import building
from dataflux_core._wire.flare.reading import Found, read_playlist

if TYPE_CHECKING:
    from collections.abc import Iterator

SHA256 = "a" * 64
CRC32C = "AAAAAA=="


@contextmanager
def without_libyaml() -> Iterator[None]:
    """Read YAML as a PyYAML does that was built without the library in C."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "PARSER", yaml.SafeLoader)
        yield


def read(text: str | bytes) -> Found:
    return read_playlist(text.encode() if isinstance(text, str) else text)


def said(text: str | bytes) -> list[str]:
    """Return what is wrong with a playlist, without what to do."""
    return [str(problem).removesuffix(f"; {problem.advice}") for problem in read(text).problems]


def headed(headers: str, chunks: int = 2) -> str:
    """Return a playlist of one stream with these headers, which begin on line 3."""
    content = "".join(f"    - https://a.org/{number}\n" for number in range(chunks))
    return f"s:\n  headers:\n    {headers}\n  content:\n{content or '    []'}\n"
