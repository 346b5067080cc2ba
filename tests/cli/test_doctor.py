"""`dataflux doctor` says what reading a bucket would take, what speaks against composing; it writes nothing unasked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core._cli.diagnosis import LIFECYCLE_RULE
from dataflux_core.emulator import Directory, Emulator, Fault, Latency, Memory, Synthetic
from dataflux_core.fast_list import ListingController
from tests.cli.conftest import asked
from tests.cli.terminal import dataflux
from tests.processes import wait_until

if TYPE_CHECKING:
    from pathlib import Path

SMALL = {f"a/{number:03}": b"x" * 1000 for number in range(100)}
SOFT_DELETE: dict[str, Any] = {"softDeletePolicy": {"retentionDurationSeconds": "604800"}}
NO_BUCKETS_GET = frozenset({f"storage.objects.{verb}" for verb in ("list", "get", "create", "delete")})
READER = frozenset({"storage.objects.list", "storage.objects.get"})
PRICES = "class_a_usd_per_million"


@pytest.fixture(autouse=True)
def _patients(gcs: Emulator) -> None:
    gcs.create_bucket("plain", Memory(SMALL))
    gcs.create_bucket("soft", Memory(SMALL, resource={**SOFT_DELETE, "location": "EUROPE-WEST4"}))


def found(*arguments: str) -> Any:
    ran = dataflux("doctor", "--json", *arguments)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def codes(diagnosis: Any) -> list[str]:
    return [each["code"] for each in diagnosis["obstacles"]]


def names(bucket: str) -> list[str]:
    return [
        name for name, _ in ListingController(1, None, bucket, skip_compose=False, allowed_storage_classes=None).run()
    ]


def test_a_person_is_told_what_composing_would_bring() -> None:
    ran = dataflux("doctor", "gs://soft/a/")
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[0] == "gs://soft/a/"
    assert "bucket       EUROPE-WEST4 (region), STANDARD" in lines
    assert "soft delete  7 days" in lines
    assert "objects      100, 97.7 KiB; 1000 B on average" in lines
    assert "A group of 32 is cheaper composed up to 53,947 bytes an object." in lines
    assert "  costs    soft delete is on: each deleted temporary is kept, and billed, for 7 days" in lines
    (dollars,) = [line.split()[2:] for line in lines if line.startswith("  in all")]
    direct, composed, _, cheapest = dollars  # what saves time depends on the machine
    assert (direct, composed, cheapest) == ("$0.401", "$0.221", "$0.183")


def test_the_text_fits_a_terminal() -> None:
    assert max(map(len, dataflux("doctor", "gs://soft").stdout.splitlines())) <= 120


def test_a_program_gets_the_same_in_numbers() -> None:
    diagnosis = found("gs://soft")
    assert list(diagnosis) == [
        "url",
        "bucket",
        "permissions",
        "prices",
        "sample",
        "compose",
        "obstacles",
        "latency",
        "ways",
        "lifecycle_rule",
    ]
    assert diagnosis["sample"]["objects"] == 100
    assert diagnosis["compose"]["is_allowed"] is True
    assert diagnosis["ways"]["direct"]["per_million_objects"]["reads"] == 1_000_000
    assert diagnosis["ways"]["compose"]["sample"]["composed"] == 100
    assert codes(diagnosis) == ["soft_delete"]


def test_nothing_is_written_unasked(gcs: Emulator) -> None:
    gcs.reset_requests()
    found("gs://plain")
    assert asked(gcs) == {"bucket", "iam", "list", "read"}
    assert names("plain") == list(SMALL)


def test_a_compose_is_tried_when_that_is_asked_for(gcs: Emulator) -> None:
    gcs.configure(latency=Latency(compose_s=0.05, read_s=0.01))
    gcs.reset_requests()
    diagnosis = found("--try", "gs://plain")
    trial = diagnosis["latency"]["compose"]
    assert (trial["sources"], trial["size"]) == (32, 32_000)
    assert trial["compose_s"] >= 0.05
    assert trial["delete_s"] > 0
    assert diagnosis["latency"]["read_s"] >= 0.01
    assert gcs.requests().counts["compose"] == 1
    assert names("plain") == list(SMALL)


def test_a_trial_that_fails_at_first_leaves_nothing(gcs: Emulator) -> None:
    gcs.configure(faults=[Fault("read", "503", match="dataflux-composed-objects/", times=2)])
    assert found("--try", "gs://plain")["latency"]["compose"] is not None
    assert names("plain") == list(SMALL)


def test_a_trial_that_is_refused_leaves_nothing(gcs: Emulator) -> None:
    gcs.configure(faults=[Fault("read", "401", match="dataflux-composed-objects/")])
    gcs.reset_requests()
    ran = dataflux("doctor", "--try", "gs://plain")
    assert ran.returncode == 1
    assert "objects      100" in ran.stdout
    assert "HTTP 401" in ran.stderr
    assert gcs.requests().counts["compose"] == 1
    assert wait_until(lambda: names("plain") == list(SMALL))


def test_no_neighbours_no_trial(gcs: Emulator) -> None:
    gcs.create_bucket("one", Memory({"alone": b"1"}))
    ran = dataflux("doctor", "--try", "gs://one")
    assert ran.returncode == 0
    assert "assumed: no two neighbours of one class are small enough" in ran.stdout


def put_classes(gcs: Emulator, *classes: str) -> None:
    """Make the bucket "classes", of small objects of these classes."""
    gcs.create_bucket("classes")
    for number, storage_class in enumerate(classes):
        gcs.put("classes", f"{number:03}", b"x" * 1000, {"storageClass": storage_class})


def test_composites_that_cannot_be_made_are_not_reckoned_with(gcs: Emulator) -> None:
    put_classes(gcs, *["STANDARD", "NEARLINE"] * 32)
    diagnosis = found("--try", "gs://classes")
    assert diagnosis["latency"]["compose"] is None
    assert diagnosis["latency"]["read_s"] > 0
    for name in ("compose", "auto_cost"):
        assert diagnosis["ways"][name]["sample"]["composed"] == 0
    assert codes(diagnosis)[-1] == "mixed_classes"
    assert "objects are of 2 storage classes" in dataflux("doctor", "gs://classes").stdout


def test_neighbours_of_one_class_are_what_is_tried(gcs: Emulator) -> None:
    put_classes(gcs, "STANDARD", "NEARLINE", "STANDARD", "NEARLINE", "NEARLINE", "NEARLINE", "STANDARD")
    assert found("--try", "gs://classes")["latency"]["compose"]["sources"] == 3
    assert len(names("classes")) == 7


def test_an_object_that_is_gone_leaves_the_rest_to_tell(gcs: Emulator, tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number:02}").write_bytes(b"x")
    gcs.create_bucket("files", Directory(tmp_path))
    assert names("files")
    (tmp_path / "00").unlink()
    ran = dataflux("doctor", "gs://files")
    assert ran.returncode == 1
    assert "objects      40, 40 B" in ran.stdout
    assert "gs://files/00: no such object; if it was listed it has been deleted" in ran.stderr


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        pytest.param({"locationType": "zone", "storageClass": "RAPID"}, "zonal", id="a Rapid bucket"),
        pytest.param({"retentionPolicy": {"retentionPeriod": "3600"}}, "retention", id="a retention policy"),
        pytest.param({"defaultEventBasedHold": True}, "event_based_hold", id="a hold on new objects"),
    ],
)
def test_where_composing_is_forbidden_it_is_not_tried(gcs: Emulator, resource: dict[str, Any], code: str) -> None:
    gcs.create_bucket("forbids", Memory(SMALL, resource=resource))
    gcs.reset_requests()
    diagnosis = found("--try", "gs://forbids")
    assert codes(diagnosis)[0] == code
    assert diagnosis["compose"]["is_allowed"] is False
    assert diagnosis["ways"]["compose"] is None
    assert diagnosis["ways"]["auto_time"] == diagnosis["ways"]["direct"]
    assert "compose" not in gcs.requests().counts


def test_a_reader_is_told_what_it_lacks(gcs: Emulator) -> None:
    gcs.create_bucket("read-only", Memory(SMALL, permissions=READER))
    diagnosis = found("gs://read-only")
    assert codes(diagnosis) == ["permissions", "soft_delete", "settings_unknown"]
    assert diagnosis["permissions"] == {
        "storage.objects.list": True,
        "storage.objects.get": True,
        "storage.objects.create": False,
        "storage.objects.delete": False,
    }
    assert diagnosis["bucket"]["is_known"] is False
    assert diagnosis["prices"]["is_estimate"] is True


def test_a_bucket_that_does_not_tell_is_taken_for_a_new_one(gcs: Emulator) -> None:
    gcs.create_bucket("shy", Memory(SMALL, permissions=NO_BUCKETS_GET))
    diagnosis = found("gs://shy")
    assert diagnosis["compose"]["is_allowed"] is True
    assert diagnosis["bucket"]["soft_delete_s"] == 604_800
    assert "assumed to be on" in dataflux("doctor", "gs://shy").stdout


def test_without_permission_to_list_the_rest_is_told_all_the_same() -> None:
    ran = dataflux("doctor", "gs://denied")
    assert ran.returncode == 1
    assert "objects      not listed" in ran.stdout
    assert "forbids  lacking storage.objects.create, storage.objects.delete" in ran.stdout
    assert "storage.objects.list" in ran.stderr


def test_a_bucket_that_does_not_exist_is_named() -> None:
    ran = dataflux("doctor", "gs://nowhere")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "gs://nowhere: HTTP 404: the bucket does not exist" in ran.stderr


@pytest.mark.parametrize("url", ["gs://empty", "gs://plain/nothing/begins/so"])
def test_where_nothing_lies_the_prices_are_told_still(url: str) -> None:
    ran = dataflux("doctor", url)
    assert ran.returncode == 0
    assert "objects      none" in ran.stdout
    assert "Composing is cheaper from 14 objects in a group (break-even 13.5)." in ran.stdout
    assert found(url)["ways"] == {"direct": None, "compose": None, "auto_time": None, "auto_cost": None}


def test_who_pays_must_be_said_where_callers_do(gcs: Emulator) -> None:
    gcs.create_bucket("theirs", Memory(SMALL, resource={"billing": {"requesterPays": True}}))
    ran = dataflux("doctor", "gs://theirs")
    assert ran.returncode == 1
    assert "--user-project NAME says which project pays" in ran.stderr
    assert "objects      not listed" in ran.stdout
    assert "callers pay for requests" in ran.stdout
    assert codes(found("--user-project", "payer", "gs://theirs")) == ["requester_pays"]


def test_a_sample_is_bounded_and_says_so(gcs: Emulator) -> None:
    gcs.create_bucket("large", Synthetic("imagenet", 100_000, (1000, 2000)))
    sample = found("--sample", "7000", "gs://large")["sample"]
    assert (sample["objects"], sample["is_complete"]) == (7000, False)
    assert "objects      at least 7,000, " in dataflux("doctor", "--sample", "7000", "gs://large").stdout


def test_a_sample_that_is_all_there_is_says_so() -> None:
    assert found("--sample", "100", "gs://plain")["sample"]["is_complete"] is True
    assert found("--sample", "99", "gs://plain")["sample"]["is_complete"] is False


def test_prices_are_those_of_the_class_of_most_objects(gcs: Emulator) -> None:
    gcs.create_bucket("moved", Memory(SMALL, resource={"storageClass": "NEARLINE"}))
    gcs.put("moved", "b", b"x", {"storageClass": "ARCHIVE"})
    gcs.create_bucket("cold", Synthetic("uuids", 100, 1000, storage_class="COLDLINE"))
    assert found("gs://moved")["sample"]["storage_classes"] == {"NEARLINE": 100, "ARCHIVE": 1}
    assert found("gs://moved")["prices"]["minimum_days"] == 30
    assert "100 NEARLINE, 1 ARCHIVE; the prices above are those of NEARLINE" in dataflux("doctor", "gs://moved").stdout
    cold = found("gs://cold")
    assert cold["prices"]["minimum_days"] == 90
    assert codes(cold) == ["minimum_storage", "retrieval"]
    assert cold["compose"]["break_even_objects"] is not None


def test_own_prices_replace_the_usual_ones(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({PRICES: 0.4}))
    diagnosis = found("--prices", str(file), "gs://plain")
    assert diagnosis["prices"][PRICES] == 0.4
    assert diagnosis["compose"]["break_even_objects"] == pytest.approx(2)


def test_where_nothing_costs_anything_neither_way_is_dearer(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({PRICES: 0, "class_b_usd_per_million": 0, "storage_usd_per_gib_month": 0}))
    said = dataflux("doctor", "--prices", str(file), "gs://plain").stdout
    assert "Neither composing objects of 1000 B nor reading them costs anything." in said
    assert "costs more than reading" not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("{", "expected a JSON object of numbers by name", id="no JSON"),
        pytest.param('{"class_a_usd_per_million": "cheap"}', "expected a JSON object of numbers", id="no number"),
        pytest.param('{"class_c": 1}', "class_c", id="no such price"),
        pytest.param('{"minimum_days": -1}', "not negative", id="less than nothing"),
        pytest.param(None, "No such file", id="no file"),
    ],
)
def test_prices_that_mean_nothing_are_wrong_usage(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "prices.json"
    if text is not None:
        file.write_text(text)
    ran = dataflux("doctor", "--prices", str(file), "gs://plain")
    assert ran.returncode == 2
    assert said in " ".join(ran.stderr.split())


def test_the_lifecycle_rule_deletes_temporaries_alone() -> None:
    ran = dataflux("doctor", "gs://plain")
    (rule,) = [json.loads(line) for line in ran.stdout.splitlines() if line.strip().startswith('{"rule"')]
    assert rule == LIFECYCLE_RULE == found("gs://plain")["lifecycle_rule"]
    ((condition,),) = [[each["condition"] for each in rule["rule"]]]
    assert condition == {"age": 1, "matchesPrefix": ["dataflux-composed-objects/"]}
    assert "The file replaces all rules that the bucket has" in ran.stdout


def test_help_says_what_is_written_and_billed() -> None:
    ran = dataflux("doctor", "--help")
    assert ran.returncode == 0
    assert "Nothing is written without --try" in " ".join(ran.stdout.split())
