"""Write to a terminal that may be gone."""

from __future__ import annotations

import os
import sys

from dataflux_core._plan.text import counted, human_bytes, shown

__all__ = ["counted", "human_bytes", "shown", "silence_stdout"]


def silence_stdout() -> None:
    """Write to nowhere from now on: a reader such as `head` has what it wanted, so that is no error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
