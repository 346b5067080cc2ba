"""How many objects the service puts on a page."""

from __future__ import annotations

import pytest

from dataflux_core.emulator import Synthetic
from tests.emulator.asking import Service


@pytest.mark.parametrize(
    ("query", "max_page", "objects"),
    [
        pytest.param({}, 5000, 1000, id="a thousand where nobody asks for more"),
        pytest.param({"maxResults": 10}, 5000, 10, id="as many as are asked for"),
        pytest.param({"maxResults": 9000}, 5000, 5000, id="five thousand at most"),
        pytest.param({"maxResults": 9000, "projection": "full"}, 5000, 2000, id="two thousand with access controls"),
        pytest.param({"maxResults": 9000, "projection": "full"}, 1000, 1000, id="no more than the server is set to"),
        pytest.param({}, 10, 10, id="no more than the server is set to, by default"),
    ],
)
def test_objects_on_a_page(query: dict[str, str], max_page: int, objects: int) -> None:
    service = Service(Synthetic("sequential", 6000), max_page=max_page)
    assert len(service.page(**query)["items"]) == objects
