"""Generations that a bucket keeps are listed as the service lists them: by name, then in the order of writing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core.emulator import Memory, Synthetic
from tests.emulator.asking import API, Service, path

if TYPE_CHECKING:
    from collections.abc import Callable

VERSIONED: dict[str, Any] = {"versioning": {"enabled": True}}
SOFT: dict[str, Any] = {"softDeletePolicy": {"retentionDurationSeconds": "604800"}}
BOTH: dict[str, Any] = {**VERSIONED, **SOFT}
NAMES = st.sampled_from(["a", "a/b", "b", "é", "😀"])
CHANGES = st.lists(st.tuples(st.sampled_from(["put", "delete", "delete for good"]), NAMES), max_size=30)
QUERIES = st.fixed_dictionaries(
    {},
    optional={
        "maxResults": st.integers(1, 4),
        "prefix": st.sampled_from(["a", "b"]),
        "startOffset": st.sampled_from(["a/", "b"]),
        "endOffset": st.sampled_from(["b", "c"]),
        "matchGlob": st.sampled_from(["*", "**b"]),
    },
)
GLOBS: dict[str, Callable[[str], bool]] = {"*": lambda name: "/" not in name, "**b": lambda name: name.endswith("b")}


@dataclass
class Kept:
    """What a bucket with versions or soft delete keeps, by the documentation's rules."""

    versioned: bool
    soft: bool
    live: dict[str, int] = field(default_factory=dict)
    noncurrent: list[tuple[str, int]] = field(default_factory=list)
    soft_deleted: list[tuple[str, int]] = field(default_factory=list)

    def retire(self, name: str, *, for_good: bool = False) -> None:
        generation = self.live.pop(name, None)
        if generation is None:
            return
        if self.versioned and not for_good:
            self.noncurrent.append((name, generation))
        elif self.soft:
            self.soft_deleted.append((name, generation))


def changed(service: Service, kept: Kept, changes: list[tuple[str, str]]) -> None:
    for kind, name in changes:
        if kind == "put":
            kept.retire(name)
            kept.live[name] = int(service.put(name).json["generation"])
        elif name in kept.live:
            query: dict[str, Any] = {"generation": kept.live[name]} if kind == "delete for good" else {}
            assert service.ask("DELETE", path(name), **query).status == 204
            kept.retire(name, for_good=bool(query))


def selected(rows: list[tuple[str, int]], query: dict[str, Any]) -> list[tuple[str, int]]:
    return sorted(
        (name, generation)
        for name, generation in rows
        if name.startswith(query.get("prefix", ""))
        and name >= query.get("startOffset", "")
        and name < query.get("endOffset", "\U0010ffff")
        and ("matchGlob" not in query or GLOBS[query["matchGlob"]](name))
    )


def listed(service: Service, **query: Any) -> list[tuple[str, int]]:
    pages = service.pages(**query)
    assert all(len(page.get("items", [])) <= query.get("maxResults", 1000) for page in pages)
    return [(item["name"], int(item["generation"])) for page in pages for item in page.get("items", [])]


@pytest.mark.parametrize("resource", [{}, VERSIONED, SOFT, BOTH], ids=["nothing kept", "versions", "soft", "both"])
@given(changes=CHANGES, query=QUERIES)
def test_what_is_listed_is_what_is_kept(
    resource: dict[str, Any], changes: list[tuple[str, str]], query: dict[str, Any]
) -> None:
    service = Service(Memory(resource=resource))
    kept = Kept("versioning" in resource, "softDeletePolicy" in resource)
    changed(service, kept, changes)
    live = list(kept.live.items())
    assert listed(service, **query) == selected(live, query)
    assert listed(service, versions="true", **query) == selected(live + kept.noncurrent, query)
    assert listed(service, softDeleted="true", **query) == selected(kept.soft_deleted, query)


def test_a_noncurrent_generation_says_when_it_ceased_to_be_live() -> None:
    service = Service(Memory({"a": b"old"}, resource=VERSIONED))
    service.put("a", b"new!")
    old, new = service.page(versions="true")["items"]
    assert (old["size"], new["size"]) == ("3", "4")
    assert old["timeDeleted"] == new["timeCreated"]
    assert "timeDeleted" not in new


def test_a_soft_deleted_generation_says_until_when_it_is_kept() -> None:
    service = Service(Memory({"a": b"1"}, resource=SOFT))
    service.ask("DELETE", path("a"))
    (item,) = service.page(softDeleted="true")["items"]
    assert item["softDeleteTime"] < item["hardDeleteTime"]
    assert service.page().get("items") is None


def test_a_noncurrent_generation_is_read_and_deleted_by_its_number() -> None:
    service = Service(Memory({"a": b"old"}, resource=BOTH))
    service.put("a", b"new")
    old = listed(service, versions="true")[0][1]
    assert service.read("a", generation=old).body == b"old"
    assert service.ask("DELETE", path("a"), generation=old).status == 204
    assert service.read("a").body == b"new"
    assert listed(service, softDeleted="true") == [("a", old)]


def test_changed_metadata_is_no_other_generation() -> None:
    service = Service(Memory({"a": b"1"}, resource=BOTH))
    service.ask("PATCH", path("a"), {"metadata": {"k": "v"}})
    assert len(listed(service, versions="true")) == 1


def test_what_lay_beneath_a_bucket_is_kept_too() -> None:
    service = Service(Synthetic("sequential", 3, resource=VERSIONED))
    name = service.names()[1]
    service.put(name)
    service.ask("DELETE", path(service.names()[0]))
    assert len(listed(service, versions="true")) == 4
    assert len(service.names()) == 2


def test_generations_are_folded_with_their_folder() -> None:
    service = Service(Memory({"a": b"", "d/x": b"", "d/y": b"", "z": b""}, resource=VERSIONED))
    for name in ("a", "d/x"):
        service.put(name)
    pages = service.pages(versions="true", delimiter="/", maxResults=2)
    assert [[item["name"] for item in page.get("items", [])] for page in pages] == [["a", "a"], ["z"]]
    assert [page.get("prefixes", []) for page in pages] == [[], ["d/"]]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        pytest.param({"versions": "true", "softDeleted": "true"}, "cannot both", id="both kinds of generations"),
        pytest.param({"matchGlob": "a[b"}, "never closed", id="a bracket that is never closed"),
        pytest.param({"matchGlob": "a{b,c"}, "never closed", id="a brace that is never closed"),
        pytest.param({"matchGlob": "[z-a]"}, "bad character range", id="a range that runs backwards"),
        pytest.param({"matchGlob": "[", "startOffset": "z"}, "never closed", id="even where nothing is matched"),
        pytest.param({"versions": "true", "pageToken": "CmE="}, "Invalid page token", id="a token without generation"),
    ],
)
def test_what_makes_no_sense_is_refused(query: dict[str, Any], said: str) -> None:
    found = Service({"a": b""}).ask("GET", API, **query)
    assert found.status == 400
    assert said in found.json["error"]["message"]


def test_who_lists_where_users_pay_names_a_project() -> None:
    service = Service(Memory({"a": b""}, resource={"billing": {"requesterPays": True}}))
    assert service.ask("GET", API).status == 400
    assert service.ask("GET", API, userProject="payer").status == 200
    assert service.ask("GET", API, headers={"x-goog-user-project": "payer"}).status == 200


def test_holds_and_keys_are_told_as_they_were_set() -> None:
    service = Service({"a": b""})
    service.ask("PATCH", path("a"), {"temporaryHold": True, "kmsKeyName": "projects/p/key", "eventBasedHold": False})
    item = service.page()["items"][0]
    assert (item["temporaryHold"], item["kmsKeyName"], "eventBasedHold" in item) == (True, "projects/p/key", False)
    service.ask("PATCH", path("a"), {"temporaryHold": False})
    assert "temporaryHold" not in service.page()["items"][0]
