"""A file is written whole or not at all, at whatever step of ours a Ctrl-C arrives."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any

from dataflux_core._data import aside

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType


class Interrupting:
    """Raise KeyboardInterrupt at one of the steps of this module, as its handler would."""

    def __init__(self, step: int) -> None:
        self._left = step

    def __call__(self, frame: FrameType, event: str, _: Any) -> Interrupting | None:
        if frame.f_code.co_filename != aside.__file__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            self._left -= 1
            if not self._left:
                raise KeyboardInterrupt
        return self


def is_written(path: Path, step: int) -> bool:
    before = sys.gettrace()
    sys.settrace(Interrupting(step))
    try:
        with aside.written_aside(path) as made:
            made.write_text("new")
    except KeyboardInterrupt:
        return False
    finally:
        sys.settrace(before)
    return True


def test_nothing_is_left_of_a_file_whose_writing_is_interrupted_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    interrupted = 0
    for step in itertools.count(1):
        if is_written(path, step):
            break
        interrupted += 1
        assert path.read_text() in {"old", "new"}, step
        assert [each.name for each in tmp_path.iterdir()] == ["f"], step
        path.write_text("old")
    assert interrupted > 20
    assert path.read_text() == "new"
