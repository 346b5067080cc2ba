"""Import what is needed of mosaicml/streaming.

Its packages import torchvision and transformers as soon as they are named: for datasets, for a collator, none of which
is used here. There is no torchvision for torch's CPU build, so the two `__init__` modules are left out; all that runs
is theirs, unchanged.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType


def prepare_import() -> None:
    """Put packages without their `__init__` in the place of theirs."""
    found = find_spec("streaming")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("mosaicml-streaming is not installed here; run `make .venv-streaming/.installed`")
    root = Path(next(iter(found.submodule_search_locations)))
    for name, path in (("streaming", root), ("streaming.base", root / "base")):
        package = ModuleType(name)
        package.__path__ = [str(path)]
        sys.modules[name] = package
