"""Give google-cloud-storage as many connections as it has threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests.adapters

if TYPE_CHECKING:
    from google.cloud import storage


def keep_connections(client: storage.Client, count: int) -> None:
    """Keep `count` of them: by default ten are kept, the other threads would open a new one for each object."""
    adapter = requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=count)
    for scheme in ("http://", "https://"):
        client._http.mount(scheme, adapter)  # noqa: SLF001 - the documented way round that limit
