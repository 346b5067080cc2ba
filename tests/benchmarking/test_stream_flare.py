from __future__ import annotations

from benchmarking.table import TABLES
from tests.benchmarking.test_smoke import answer_of


def test_streaming_beside_curl_is_measured_on_one_line_where_every_byte_came() -> None:
    answer = answer_of("stream_flare")
    for run in (answer["near"], answer["far"]):
        assert run["exact"]
        peers = {"obstore, 8 at once", "curl, 4 at once", "kept by curl, 8 at once"}
        assert {"ours", "ours, crc32c compared", *peers} == set(run["clients"])
    assert answer["random_reads_per_s"]["exact"]
    assert answer["first_record_round_trips"].keys() == {
        "of a playlist at hand",
        "of one with sums, so of a whole chunk",
        "of one with sums that is fetched first",
    }
    table = TABLES["stream_flare"](answer)
    assert "| ours, crc32c compared |" in table
    assert "Round trips to the first record" in table


def test_what_a_sample_of_a_chunk_costs_is_measured_where_each_record_came_once() -> None:
    answer = answer_of("stream_chunks")
    assert all(case["exact"] for case in answer["cases"].values())
    assert {answer["cases"][case]["requests"] for case in ("a dataset, in order", "shuffled in blocks")} == {6}
    assert "| a whole permutation, by parts |" in TABLES["stream_chunks"](answer)
