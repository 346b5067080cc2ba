"""The tutorial on training does what it says, read from top to bottom by somebody who types it in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.docs.reader import Reader, steps_of
from tests.docs.test_documents import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs/tutorial/train-from-a-bucket.md"
KILLED_AT = 23
STEPS = 38
PAUSE, SHORT_PAUSE = "0.5", "0.2"  # for a hand to hit a running script between two steps; this reader is quicker


@pytest.mark.timeout(600)
def test_a_killed_training_goes_on_to_the_same_loss(tmp_path: Path) -> None:
    page = PAGE.read_text()
    for name, script in re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(script)
    reader = Reader(tmp_path)
    make, serve, index, look, train, forget, again, go_on = re.findall(r"^\$ (.*)$", page, flags=re.MULTILINE)
    reader.run(make)
    with reader.served(serve):
        assert reader.run(index).startswith("300 samples, 9 columns")
        assert reader.run(look).startswith("300 0000 (32, 32, 3) red")
        unbroken = steps_of(reader.run(train).splitlines())
        assert len(unbroken) == STEPS
        reader.run(forget)
        broken = steps_of(reader.killed(again.replace(PAUSE, SHORT_PAUSE), f"step {KILLED_AT} "))
        assert KILLED_AT <= len(broken) < STEPS
        assert broken == unbroken[: len(broken)]
        resumed = reader.run(go_on).splitlines()
    kept = len(broken) // 5 * 5  # a checkpoint every five steps
    assert resumed[0] == f"going on after step {kept}, in epoch 1"
    assert steps_of(resumed) == unbroken[kept:]
