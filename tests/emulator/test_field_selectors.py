from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._fields import parse_fields, select

if TYPE_CHECKING:
    from dataflux_core.emulator._fields import Json

RESOURCE: Json = {
    "kind": "k",
    "items": [{"name": "a", "size": "1", "owner": {"entity": "e", "id": "i"}}, {"name": "b"}],
    "nextPageToken": "t",
}


@pytest.mark.parametrize(
    ("fields", "selected"),
    [
        pytest.param("", RESOURCE, id="nothing selects everything"),
        pytest.param("*", RESOURCE, id="a star selects everything"),
        pytest.param("kind", {"kind": "k"}, id="one key"),
        pytest.param("none", {}, id="a key that is not there"),
        pytest.param("kind,nextPageToken", {"kind": "k", "nextPageToken": "t"}, id="two keys"),
        pytest.param("items(name)", {"items": [{"name": "a"}, {"name": "b"}]}, id="brackets go into each element"),
        pytest.param("items/name", {"items": [{"name": "a"}, {"name": "b"}]}, id="a slash does so for one key"),
        pytest.param(
            "items(name,size),kind", {"kind": "k", "items": [{"name": "a", "size": "1"}, {"name": "b"}]}, id="both"
        ),
        pytest.param("items(owner/id)", {"items": [{"owner": {"id": "i"}}, {}]}, id="deeper"),
        pytest.param(
            "items/owner(id),items/name", {"items": [{"name": "a", "owner": {"id": "i"}}, {"name": "b"}]}, id="merged"
        ),
        pytest.param("items(name),items", {"items": RESOURCE["items"]}, id="the wider of two wins"),  # type: ignore[index, call-overload]
        pytest.param("*/name", {"kind": "k", "items": [{"name": "a"}, {"name": "b"}], "nextPageToken": "t"}, id="any"),
    ],
)
def test_selection(fields: str, selected: Json) -> None:
    assert select(RESOURCE, parse_fields(fields)) == selected


@pytest.mark.parametrize("fields", ["items(", "items(name", ",kind", "kind,", "items()", "items/", "kind)"])
def test_a_selector_that_is_none_is_refused(fields: str) -> None:
    with pytest.raises(ApiError, match="Invalid field selection"):
        parse_fields(fields)
