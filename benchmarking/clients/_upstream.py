"""Make sure that upstream's package is upstream's."""

from __future__ import annotations

import sys
from pathlib import Path

import dataflux_core


def demand_upstream() -> None:
    """End the process unless `dataflux_core` is installed in this very environment: ours has the same name."""
    place = Path(str(dataflux_core.__file__)).resolve()
    if not place.is_relative_to(Path(sys.prefix).resolve()):
        raise SystemExit(f"this is not upstream's package: {place}")
