"""Tell the service which requests are ours."""

from __future__ import annotations

from typing import Any

from dataflux_core._run.access import mark_client

__all__ = ["add_dataflux_user_agent"]


def add_dataflux_user_agent(client: Any) -> None:  # noqa: ANN401 - a storage.Client or a fake of one
    """Put "dataflux/1.0" before the user agent of `client`; nothing happens where it stands there already."""
    mark_client(client)
