"""Bring a Google Cloud Storage bucket into a training loop: list, plan, fetch, split, feed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    import dataflux_core.costs
    import dataflux_core.decoders
    import dataflux_core.download
    import dataflux_core.errors
    import dataflux_core.fast_list
    import dataflux_core.flare
    import dataflux_core.range_splitter
    import dataflux_core.streaming
    import dataflux_core.user_agent  # noqa: F401 - gives type checkers what __getattr__ gives at run time

__all__ = ["costs", "decoders", "download", "errors", "fast_list", "flare", "range_splitter", "streaming", "user_agent"]


def __getattr__(name: str) -> ModuleType:
    """Import a public module when it is first asked for.

    A lister process or the emulator imports this package and needs none of google-cloud-storage, which takes
    longer to import than a small bucket takes to list.
    """
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
