"""Tell which samples there are."""

from __future__ import annotations

from dataflux_core.errors import ExtraMissing

try:
    import numpy  # noqa: F401, ICN001 - that they are there is all that matters here
    import pyarrow  # noqa: F401, ICN001
except ImportError as error:
    raise ExtraMissing("datasets", "streaming") from error
