"""The page on playlists has every option of reading, with the default that it has."""

from __future__ import annotations

import re
from dataclasses import fields

from dataflux_core.flare import StreamOptions
from tests.docs.test_documents import ROOT

PAGE = ROOT / "docs/reference/flare.md"


def test_every_option_is_on_the_page_with_its_default() -> None:
    section = PAGE.read_text().partition("\n### StreamOptions\n")[2].partition("\n\nA chunk ")[0]
    rows = re.findall(r"^\| `(\w+)` \| `?([\w,]+)", section, re.MULTILINE)
    usual = StreamOptions()
    defaults = [(field.name, f"{getattr(usual, field.name):,.0f}") for field in fields(StreamOptions)]
    assert [(name, "0" if default == "False" else default) for name, default in rows] == defaults
