"""Playlists for tests."""

from __future__ import annotations

from dataflux_core._wire.flare.reading import Found, read_playlist

SHA256 = "a" * 64
CRC32C = "AAAAAA=="


def read(text: str | bytes, *, is_slow: bool = False) -> Found:
    return read_playlist(text.encode() if isinstance(text, str) else text, is_slow=is_slow)


def said(text: str | bytes, *, is_slow: bool = False) -> list[str]:
    """Return what is wrong with a playlist, without what to do."""
    return [str(problem).removesuffix(f"; {problem.advice}") for problem in read(text, is_slow=is_slow).problems]


def headed(headers: str, chunks: int = 2) -> str:
    """Return a playlist of one stream with these headers, which begin on line 3."""
    content = "".join(f"    - https://a.org/{number}\n" for number in range(chunks))
    return f"s:\n  headers:\n    {headers}\n  content:\n{content or '    []'}\n"
