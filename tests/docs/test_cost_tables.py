"""The tables on what composing costs are what their examples print."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

from tests.docs.test_documents import ROOT, blocks

PAGE = ROOT / "docs/explanation/what-does-composing-cost.md"


def test_what_the_examples_print_stands_on_the_page() -> None:
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec("\n".join(blocks(PAGE, "python")), {})  # noqa: S102 - the page's own examples
    lines = [line for line in printed.getvalue().splitlines() if line.startswith(("|", "Break-even", "Groups"))]
    assert len(lines) > 15
    text = PAGE.read_text()
    assert [line for line in lines if line not in text] == []
