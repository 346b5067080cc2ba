"""Tell how large a terminal is on which a bar is drawn."""

from __future__ import annotations

import os
import sys

_USUAL = {"ncols": 80, "nrows": 24}


def bar_size() -> dict[str, int]:
    """Return what tqdm is to be told of stderr's terminal, nothing where it finds that out.

    A serial console, or a container that was given a terminal without a size, says 0, where tqdm draws nothing.
    """
    try:
        return {} if os.get_terminal_size(sys.stderr.fileno()).columns else _USUAL
    except (OSError, ValueError):  # no terminal, or no file behind it
        return {}
