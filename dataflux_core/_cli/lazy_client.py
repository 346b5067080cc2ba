"""Make the client of a command once an object of a bucket is asked for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflux_core._cli.command import CommonOptions


def client_source(options: CommonOptions) -> Callable[[], Any]:
    """Give what makes the client, in this process or another: sources elsewhere need no credentials of Google's."""
    return partial(_made, options["project"], options["billing_project"])


def _made(project: str | None, billing_project: str | None) -> Any:  # noqa: ANN401 - google ships no types
    from dataflux_core._cli.service import open_client  # noqa: PLC0415 - slow import

    return open_client({"project": project, "billing_project": billing_project, "quiet": False}).client
