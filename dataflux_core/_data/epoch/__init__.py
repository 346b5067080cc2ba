"""Feed the samples of an epoch to a training loop."""

from __future__ import annotations

from importlib.util import find_spec

from dataflux_core.errors import ExtraMissing

if find_spec("numpy") is None or find_spec("pyarrow") is None:
    raise ExtraMissing("datasets", "streaming")
