"""Point obstore at the emulator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from obstore.store import GCSStore

if TYPE_CHECKING:
    from benchmarking.clients._timing import Task


def store_of(task: Task) -> GCSStore:
    """Open the bucket of a task without credentials."""
    # It has no other way to be told an endpoint.
    key = {"gcs_base_url": task["endpoint"], "disable_oauth": True}
    unused = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
    return GCSStore(task["bucket"], service_account_key=json.dumps(key | unused), client_options={"allow_http": True})
