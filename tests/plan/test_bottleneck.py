"""What limits a source is read off three measurements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.bottleneck import Limit, Phase, Setting, verdict_of

INDEX = Phase(1_000_000, 1.0)
TWO_CORES = Setting(cores=2, requests=32, workers=0, sample_bytes=10_000)


STARVED = (
    "the CPU for this process: it had 40% of a core where it would have used 100%; other programs run here, or a "
    "container has fewer cores than the machine"
)


def phase(rate: int, *, waits: float = 0.0, decodes: float = 0.0, cores: float = 0.1, processes: int = 1) -> Phase:
    """Ten seconds, of which these shares were spent so."""
    all_s = 10.0 * processes
    return Phase(
        rate * 10, 10.0, fetching_s=waits * all_s, decoding_s=decodes * all_s, cpu_s=cores * 10, processes=processes
    )


@pytest.mark.parametrize(
    ("index", "fetched", "whole", "limit"),
    [
        pytest.param(
            INDEX,
            phase(500, waits=0.97),
            phase(480, waits=0.9, decodes=0.08, cores=0.2),
            "network",
            id="bytes are waited for while the CPU has nothing to do",
        ),
        pytest.param(
            INDEX,
            phase(5000, waits=0.9),
            phase(60, decodes=0.95, cores=1.0),
            "decode",
            id="decoders work all the time",
        ),
        pytest.param(
            INDEX,
            phase(5000, waits=0.3, cores=0.9),
            phase(50, decodes=0.3, cores=0.8, processes=2),
            "decode",
            id="handing on what decoders give takes longer than to decode",
        ),
        pytest.param(
            INDEX,
            phase(5000, waits=0.8, cores=0.99),
            phase(4000, waits=0.6, decodes=0.2, cores=1.0),
            "workers",
            id="bytes are waited for because the threads that bring them get no CPU",
        ),
        pytest.param(
            INDEX,
            phase(20_000, waits=0.2, cores=1.0),
            phase(19_000, waits=0.2, decodes=0.1, cores=1.0),
            "workers",
            id="neither bytes nor decoders: what each sample costs besides",
        ),
        pytest.param(
            INDEX,
            phase(9000, waits=0.9, cores=1.4, processes=4),
            phase(9000, waits=0.9, cores=1.4, processes=4),
            "network",
            id="a core and a half is not much for four processes",
        ),
        pytest.param(
            phase(1000), phase(1000, waits=0.9), phase(990, waits=0.9), "index", id="rows are not found any faster"
        ),
    ],
)
def test_what_limits(index: Phase, fetched: Phase, whole: Phase, limit: Limit) -> None:
    assert verdict_of(index, fetched, whole, TWO_CORES).limit == limit


def test_the_reason_has_the_figures() -> None:
    verdict = verdict_of(INDEX, phase(5000, waits=0.9), phase(50, waits=0.05, decodes=0.9, cores=0.95), TWO_CORES)
    assert verdict.reason == (
        "5% of the time is waited for bytes, 90% decoders work, 5% is all else; 0.9 of 2 cores are used; "
        "without decoders 100.0 times as many samples come"
    )


def test_waiting_for_bytes_is_explained_where_workers_are_the_limit() -> None:
    verdict = verdict_of(
        INDEX, phase(5000, waits=0.8, cores=0.99), phase(4000, waits=0.6, decodes=0.2, cores=1.0), TWO_CORES
    )
    assert verdict.limit == "workers"
    assert "60% of the time is waited for bytes" in verdict.reason
    assert "so bytes are late because what receives them gets no time on a core" in verdict.reason


@pytest.mark.parametrize(
    ("fetched", "whole", "setting", "advice"),
    [
        pytest.param(
            phase(500, waits=0.97),
            phase(480, waits=0.9),
            TWO_CORES,
            [
                "more requests at once: --num-downloading-workers 64",
                "larger files: one of 9.8 KiB takes about as long as one of ten times the size",
                "a cache (dst=), so that only the first epoch waits for the network",
                "a machine near the source",
            ],
            id="network, small files",
        ),
        pytest.param(
            phase(5, waits=0.97),
            phase(5, waits=0.97),
            Setting(cores=2, requests=0, workers=0, sample_bytes=5e6),
            ["a cache (dst=), so that only the first epoch waits for the network", "a machine near the source"],
            id="network, large files, as many requests as a dataset takes",
        ),
        pytest.param(
            phase(5000),
            phase(50, decodes=0.9, cores=0.9),
            Setting(cores=8, requests=0, workers=0, sample_bytes=1e5),
            [
                "more loader workers, each with an interpreter of its own: --workers 8",
                "images of the size that is trained on (--size HxW): of a JPEG less is decoded then",
                "files that are stored in the size that is needed",
            ],
            id="decode, cores to spare",
        ),
        pytest.param(
            phase(5000, processes=8),
            phase(400, decodes=0.9, cores=7.9, processes=8),
            Setting(cores=8, requests=0, workers=8, sample_bytes=1e5, resizes=True),
            ["more cores: 7.9 of 8 are used", "files that are stored in the size that is needed"],
            id="decode, all cores at work, resized",
        ),
        pytest.param(
            phase(5000),
            phase(50, decodes=0.95, cores=0.4),
            Setting(cores=2, requests=0, workers=2, sample_bytes=1e5, resizes=True),
            [
                STARVED,
                "more loader workers: --workers 4",
                "files that are stored in the size that is needed",
            ],
            id="decode, on a machine that others use",
        ),
    ],
)
def test_what_to_do(fetched: Phase, whole: Phase, setting: Setting, advice: list[str]) -> None:
    assert [*verdict_of(INDEX, fetched, whole, setting).advice] == advice


def test_a_rate_is_that_after_the_beginning() -> None:
    assert Phase(100, 11.0, begin_samples=50, begin_s=1.0).samples_per_s == 5
    assert Phase(50, 11.0, begin_samples=50, begin_s=11.0).samples_per_s == pytest.approx(50 / 11)
    assert Phase(0, 0.0).samples_per_s == 0


seconds = st.floats(0, 1e6)
phases = st.builds(
    Phase,
    st.integers(0, 10**9),
    seconds,
    st.integers(0, 10**6),
    seconds,
    seconds,
    seconds,
    seconds,
    st.integers(1, 512),
)


settings = st.builds(Setting, st.integers(1, 512), st.integers(0, 4096), st.integers(0, 512), st.floats(0, 1e9))


@given(phases, phases, phases, settings)
def test_whatever_was_measured_there_is_something_to_do(
    index: Phase, fetched: Phase, whole: Phase, setting: Setting
) -> None:
    assert whole.waiting_share + whole.decoding_share + whole.other_share == pytest.approx(1)
    assert min(whole.waiting_share, whole.decoding_share, whole.other_share) >= 0
    verdict = verdict_of(index, fetched, whole, setting)
    assert verdict.advice
    assert all(verdict.advice)
