from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core.emulator import Latency, Memory, Synthetic
from dataflux_core.emulator._behaviour import wait_s
from dataflux_core.emulator._http import request_to
from dataflux_core.emulator._routes import answer
from tests.emulator.asking import API, Service

if TYPE_CHECKING:
    from dataflux_core.emulator._fields import Json

ENABLED: dict[str, Json] = {"hierarchicalNamespace": {"enabled": True}}
BUCKET = "/storage/v1/b/box"
FOLDERS = f"{BUCKET}/folders"
PATHS = st.sets(st.text(st.sampled_from("ab/"), min_size=1, max_size=5), max_size=20)


def hierarchical(*names: str) -> Service:
    return Service(Memory(dict.fromkeys(names, b"x"), resource=ENABLED))


def folder(name: str) -> str:
    return f"{FOLDERS}/{quote(name, safe='')}"


def test_a_bucket_says_that_its_namespace_is_hierarchical() -> None:
    assert hierarchical().ask("GET", f"{BUCKET}?fields=hierarchicalNamespace").json == ENABLED
    assert Service().ask("GET", f"{BUCKET}?fields=hierarchicalNamespace").json == {}


def test_an_empty_folder_is_listed_where_folders_are_asked_for() -> None:
    service = hierarchical("a/x", "c")
    assert service.ask("POST", FOLDERS, {"name": "b"}).json["name"] == "b/"
    assert service.page(delimiter="/")["prefixes"] == ["a/"]
    listed = service.page(delimiter="/", includeFoldersAsPrefixes="true")
    assert (listed["prefixes"], [item["name"] for item in listed["items"]]) == (["a/", "b/"], ["c"])


@given(PATHS, st.sets(st.text(st.sampled_from("ab/"), max_size=4).map(lambda name: name + "/"), max_size=20))
def test_folders_are_listed_as_if_each_held_an_object(names: set[str], folders: set[str]) -> None:
    service = hierarchical(*names)
    for name in sorted(folders):
        service.ask("POST", f"{FOLDERS}?recursive=true", {"name": name})
    full = hierarchical(*names, *(name + "~" for name in folders))
    for prefix in ("", "a", "a/", "a//"):
        query = {"prefix": prefix, "delimiter": "/", "maxResults": 2}
        pages = service.pages(**query, includeFoldersAsPrefixes="true")
        prefixes = [found for page in pages for found in page.get("prefixes", [])]
        assert prefixes == [found for page in full.pages(**query) for found in page.get("prefixes", [])]
        assert prefixes == sorted(set(prefixes))


def test_folders_without_a_delimiter_are_refused() -> None:
    for query in ("", "&delimiter=b"):
        assert hierarchical().ask("GET", f"{API}?includeFoldersAsPrefixes=true{query}").status == 400


def test_folders_come_with_their_parents_and_go_when_empty() -> None:
    service = hierarchical("full/x")
    assert service.ask("POST", FOLDERS, {"name": "a/b/"}).status == 409
    assert service.ask("POST", f"{FOLDERS}?recursive=true", {"name": "a/b/"}).status == 200
    assert service.ask("POST", FOLDERS, {"name": "a/b"}).status == 409
    assert [service.ask("GET", folder(name)).status for name in ("a/", "a/b/", "full/", "none/")] == [200] * 3 + [404]
    assert [service.ask("DELETE", folder(name)).status for name in ("a/", "full/", "none/")] == [409, 409, 404]
    assert service.ask("DELETE", folder("a/b/")).status == 204
    assert service.ask("GET", folder("a/b/")).status == 404


@pytest.mark.parametrize("name", [None, 7, "", "a\nb"])
def test_a_folder_needs_a_legal_name(name: object) -> None:
    assert hierarchical().ask("POST", FOLDERS, {"name": name}).status == 400


def test_a_flat_bucket_has_no_folders() -> None:
    assert Service().ask("POST", FOLDERS, {"name": "a/"}).status == 409


def walked(service: Service, url: str) -> int:
    return answer(service.store, request_to("GET", url)).folders


def test_a_page_without_delimiter_is_charged_for_each_folder_on_it() -> None:
    service = hierarchical("a/x", "a/y", "b/c/x", "d")
    assert walked(service, API) == 3
    assert walked(service, f"{API}?maxResults=2") == 1
    assert walked(service, f"{API}?delimiter=/") == 0
    assert walked(Service({"a/x": b"", "b/x": b""}), API) == 0
    assert wait_s(Latency(list_s=1, list_folder_s=0.5), "list", objects=9, payload=0, folders=3) == 2.5


def test_a_level_of_twenty_million_objects_is_listed_by_searching() -> None:
    service = Service(Synthetic("imagenet", 20_000_000, resource=ENABLED))
    pages = service.pages(prefix="train/", delimiter="/", maxResults=5000)
    assert sum(len(page["prefixes"]) for page in pages) == -(-20_000_000 // 1300)
