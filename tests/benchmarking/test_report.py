from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarking._measure import Client, Contest, Result, Run
from benchmarking._report import print_line
from benchmarking.download_large import rates
from benchmarking.table import cases_of, rates_of, table_of, title_of

CLIENTS = [
    Client("ours", "ours", ""),
    Client("upstream, 2 workers", "upstream", ""),
    Client("upstream, 8 workers", "upstream", ""),
    Client("obstore", "obstore", ""),
]


def exact_run(seconds: float) -> Run:
    return Run(seconds, seconds / 2, 0.1, {"list": 3}, exact=True)


def answer_to(runs: dict[str, list[Run]], capsys: pytest.CaptureFixture[str]) -> tuple[bool, dict[str, Any]]:
    fine = print_line("how long?", {"shape": "uuids", "list_ms": 60}, Contest(CLIENTS, Result(100, 0, "")), runs)
    return fine, json.loads(capsys.readouterr().out)


def test_medians_are_compared_with_ours_and_the_best_of_a_peer_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    runs = {
        "ours": [exact_run(1.0), exact_run(2.0), exact_run(30.0)],
        "upstream, 2 workers": [exact_run(9.0)],
        "upstream, 8 workers": [exact_run(6.0)],
        "obstore": [exact_run(1.0)],
    }
    fine, answer = answer_to(runs, capsys)
    assert fine
    assert answer["times_slower_than"]["ours"] == {
        "upstream, 2 workers": 4.5,
        "upstream, 8 workers": 3.0,
        "obstore": 0.5,
        "best of upstream": {"label": "upstream, 8 workers", "ratio": 3.0},
    }
    assert "| upstream, 8 workers | 6.000 | 3.00 | 30000.0 | 0.10 | 3 |" in table_of(answer)


def test_a_client_that_failed_is_reported_but_not_compared(capsys: pytest.CaptureFixture[str]) -> None:
    runs = {label: [exact_run(1.0)] for label in ("ours", "upstream, 2 workers", "obstore")}
    fine, answer = answer_to({**runs, "upstream, 8 workers": [Run(error="no answer")]}, capsys)
    assert fine
    assert answer["clients"]["upstream, 8 workers"] == {"error": "no answer"}
    assert "upstream, 8 workers" not in answer["times_slower_than"]["ours"]
    assert "| upstream, 8 workers | failed |" in table_of(answer)


def test_ours_being_inexact_is_a_failure_anothers_is_a_remark(capsys: pytest.CaptureFixture[str]) -> None:
    exact = {client.label: [exact_run(1.0)] for client in CLIENTS}
    wrong = [Run(1.0, 1.0, 1.0, {}, exact=False)]
    assert not answer_to({**exact, "ours": wrong}, capsys)[0]
    fine, answer = answer_to({**exact, "obstore": wrong}, capsys)
    assert fine
    assert "| obstore, **not exact** |" in table_of(answer)


LARGE = [
    Client("ours", "ours", ""),
    Client("curl, 8 at once", "curl", ""),
    Client("curl, 64 at once", "curl", ""),
    Client("obstore", "obstore", ""),
]
HOST = {"commit": "abc", "cores": 2, "python": "3.11"}


def test_rates_are_shares_of_curls_best() -> None:
    runs = {
        "ours": [exact_run(2.0)],
        "curl, 8 at once": [exact_run(1.0)],
        "curl, 64 at once": [exact_run(4.0)],
        "obstore": [Run(error="no answer")],
    }
    assert rates(Contest(LARGE, Result(10, 8_000_000, "")), runs) == {
        "mb_per_s": {"ours": 4.0, "curl, 8 at once": 8.0, "curl, 64 at once": 2.0},
        "share_of_curl": {"ours": 0.5, "curl, 8 at once": 1.0, "curl, 64 at once": 0.25},
    }


def test_without_curl_there_are_rates_but_no_shares() -> None:
    runs = {client.label: [Run(error="there is no curl")] for client in LARGE} | {"ours": [exact_run(2.0)]}
    told = rates(Contest(LARGE, Result(10, 8_000_000, "")), runs)
    assert told == {"mb_per_s": {"ours": 4.0}, "share_of_curl": None}
    answer = {
        "command": "python",
        "to": "memory",
        "object_bytes": 800_000,
        "objects": 10,
        "clients": {
            "ours": {"cpu_s": 1.5, "server_cpu_s": 0.5, "exact": True},
            "curl, 8 at once": {"error": "there is no curl"},
        },
        "host": HOST,
        **told,
    }
    table = rates_of(answer)
    assert "### 10 objects of 800,000 bytes, without latency, to memory" in table
    assert "| ours | 4 | no curl | 1.50 | 0.50 |" in table
    assert "| curl, 8 at once | failed |" in table


def test_each_case_of_reading_has_a_row() -> None:
    took = {"least_us": 49.96, "median_us": 60.0, "first_us": 80.0, "server_us": 40.0}
    table = cases_of({"command": "python", "cases": {"direct, http": took}, "host": HOST})
    assert "| direct, http | 50.0 | 60.0 | 80.0 | 40.0 |" in table


@pytest.mark.parametrize(
    ("conditions", "title"),
    [
        pytest.param({"list_ms": 60}, "7 names, latency of Cloud Storage", id="names"),
        pytest.param({"list_ms": 0}, "7 names, without latency", id="names without latency"),
        pytest.param(
            {"object_bytes": 10_000, "read_ms": 60.0, "compose_ms": 350.0, "delete_ms": 60.0},
            "7 objects of 10,000 bytes, 60 ms a read, 350 ms a compose, 60 ms a delete",
            id="small objects",
        ),
        pytest.param(
            {"object_bytes": 4_000, "read_ms": 0.0, "tls": True},
            "7 objects of 4,000 bytes, over TLS, without latency",
            id="over TLS",
        ),
    ],
)
def test_a_title_tells_the_conditions(conditions: dict[str, Any], title: str) -> None:
    assert title_of({"objects": 7, **conditions}) == title


def test_a_client_that_shows_no_bytes_is_compared_by_their_number() -> None:
    expected = Result(2, 20, "digest")
    assert Result(2, 20, "").is_as(expected)
    assert not Result(2, 19, "").is_as(expected)
    assert not Result(2, 20, "another").is_as(expected)
