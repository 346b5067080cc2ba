from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarking._measure import Client, Contest, Result, Run
from benchmarking._report import print_line
from benchmarking.table import table_of

if TYPE_CHECKING:
    import pytest

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
