"""Be a lister process."""

from __future__ import annotations

import os
from multiprocessing.connection import Connection

from dataflux_core._run.listing.pages import serve


def main(descriptor: int) -> None:
    """Serve the connection at `descriptor` until the parent closes it or is gone."""
    try:
        serve(Connection(descriptor))
    except (EOFError, OSError):
        os._exit(0)  # the parent has all it wanted: nothing is left to be cleaned up
