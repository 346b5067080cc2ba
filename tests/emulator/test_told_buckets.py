"""A bucket behaves as it says of itself: what it keeps, what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from dataflux_core.emulator import Memory, Synthetic
from tests.emulator.asking import API, Service, path

RETENTION: dict[str, Any] = {"retentionPolicy": {"retentionPeriod": "3600", "effectiveTime": "2026-01-01T00:00:00Z"}}
HOLD: dict[str, Any] = {"defaultEventBasedHold": True}
BUCKET = "/storage/v1/b/box"


def reason_of(service: Service, method: str, url: str, **query: Any) -> tuple[int, str]:
    found = service.ask(method, url, **query)
    return found.status, found.json["error"]["errors"][0]["reason"] if found.status >= 400 else ""


def composed(service: Service, *names: str, to: str = "joined") -> int:
    return service.ask("POST", f"{path(to)}/compose", {"sourceObjects": [{"name": name} for name in names]}).status


def test_a_retention_policy_keeps_young_objects() -> None:
    service = Service(Memory({"a": b"1"}, resource=RETENTION))
    assert reason_of(service, "DELETE", path("a")) == (403, "retentionPolicyNotMet")
    assert service.put("a", b"2").status == 403
    assert service.read("a").body == b"1"


def test_a_retention_policy_lets_old_objects_go() -> None:
    service = Service(Synthetic("uuids", 1, 1, resource=RETENTION))
    (name,) = service.names()
    assert service.ask("DELETE", path(name)).status == 204


def test_what_is_composed_under_a_retention_policy_stays() -> None:
    service = Service(Memory({"a": b"1", "b": b"2"}, resource=RETENTION))
    assert composed(service, "a", "b") == 200
    assert reason_of(service, "DELETE", path("joined")) == (403, "retentionPolicyNotMet")


def test_new_objects_are_held_where_the_bucket_says_so() -> None:
    service = Service(Memory(resource=HOLD))
    assert service.put("a", b"1").json["eventBasedHold"] is True
    assert composed(service, "a") == 200
    assert reason_of(service, "DELETE", path("joined")) == (403, "objectUnderActiveHold")


@pytest.mark.parametrize("hold", ["temporaryHold", "eventBasedHold"])
def test_what_is_held_goes_when_it_is_released(hold: str) -> None:
    service = Service({"a": b"1"})
    service.ask("PATCH", path("a"), {hold: True})
    assert reason_of(service, "DELETE", path("a")) == (403, "objectUnderActiveHold")
    assert service.put("a", b"2").status == 403
    service.ask("PATCH", path("a"), {hold: False})
    assert service.ask("DELETE", path("a")).status == 204


@pytest.mark.parametrize("said", [{"locationType": "zone"}, {"storageClass": "RAPID"}])
def test_a_zonal_bucket_composes_nothing(said: dict[str, Any]) -> None:
    service = Service(Memory({"a": b"1", "b": b"2"}, resource=said))
    assert composed(service, "a", "b") == 400
    assert service.names() == ["a", "b"]


def test_objects_have_the_class_of_their_bucket() -> None:
    service = Service(Memory({"a": b"1"}, resource={"storageClass": "NEARLINE"}))
    assert composed(service, "a") == 200
    assert {item["storageClass"] for item in service.page()["items"]} == {"NEARLINE"}


def test_a_bucket_says_what_it_is_as_far_as_it_is_asked() -> None:
    said = {**RETENTION, **HOLD, "locationType": "dual-region", "location": "NAM4", "autoclass": {"enabled": True}}
    service = Service(Memory(resource=said))
    fields = "location,locationType,retentionPolicy/retentionPeriod,autoclass/enabled,softDeletePolicy"
    assert service.ask("GET", BUCKET, fields=fields).json == {
        "location": "NAM4",
        "locationType": "dual-region",
        "retentionPolicy": {"retentionPeriod": "3600"},
        "autoclass": {"enabled": True},
    }


def test_settings_can_be_changed_while_it_runs() -> None:
    service = Service({"a": b"1"})
    service.ask("PATCH", BUCKET, RETENTION)
    assert service.ask("DELETE", path("a")).status == 403
    service.ask("PATCH", BUCKET, {"retentionPolicy": None})
    assert service.ask("DELETE", path("a")).status == 204
    assert service.ask("GET", API).status == 200
