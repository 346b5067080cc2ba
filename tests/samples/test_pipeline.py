"""A sample goes through its transforms: one, none or many come out."""

from __future__ import annotations

import pickle
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._data.samples.pipeline import Pipeline, StepFailed, Translation, pipeline_of
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator

Sample = dict[str, Any]


def plus_one(sample: Sample) -> Sample:
    return {"n": sample["n"] + 1}


def minus_one(sample: Sample) -> Sample:
    return {"n": sample["n"] - 1}


def doubled(sample: Sample) -> Sample:
    return {"n": sample["n"] * 2}


def halved(sample: Sample) -> Sample:
    return {"n": sample["n"] // 2}


def odd(sample: Sample) -> Sample | None:
    return sample if sample["n"] % 2 else None


def counted_up(sample: Sample) -> Iterator[Sample]:
    for number in range(sample["n"]):
        yield {"n": number}


def outputs(transforms: Any, number: int) -> list[int]:
    return [sample["n"] for sample in pipeline_of(transforms).outputs({"n": number})]


@pytest.mark.parametrize(
    ("transforms", "given_out"),
    [
        pytest.param(None, [4], id="none at all"),
        pytest.param([], [4], id="an empty list"),
        pytest.param(plus_one, [5], id="one function"),
        pytest.param([plus_one, doubled], [10], id="the first one first"),
        pytest.param(odd, [], id="None drops a sample"),
        pytest.param([odd, lambda _: 1 / 0], [], id="a dropped sample goes no further"),
        pytest.param(counted_up, [0, 1, 2, 3], id="a generator gives many"),
        pytest.param([counted_up, odd, doubled], [2, 6], id="each of many goes through the rest"),
        pytest.param([counted_up, counted_up], [0, 0, 1, 0, 1, 2], id="many of many"),
        pytest.param(lambda s: [s, None, s], [4, 4], id="a list, with what is dropped left out"),
        pytest.param(lambda _: iter(()), [], id="an iterator that gives nothing"),
    ],
)
def test_what_comes_out(transforms: Any, given_out: list[int]) -> None:
    assert outputs(transforms, 4) == given_out


@given(st.lists(st.sampled_from([plus_one, doubled, odd, counted_up]), max_size=4), st.integers(0, 4))
def test_a_pipeline_is_its_steps_one_after_the_other(steps: list[Any], number: int) -> None:
    samples = [{"n": number}]
    for step in steps:
        made: list[Sample] = []
        for sample in samples:
            result = step(sample)
            made += [] if result is None else [result] if isinstance(result, dict) else list(result)
        samples = made
    assert list(pipeline_of(steps).outputs({"n": number})) == samples


def test_no_more_is_drawn_than_is_asked_for_and_the_rest_is_closed() -> None:
    seen: list[Any] = []

    def endless(_: Sample) -> Iterator[Sample]:
        try:
            while True:
                seen.append(len(seen))
                yield {"n": seen[-1]}
        finally:
            seen.append("closed")

    drawn = pipeline_of([endless, plus_one]).outputs({"n": 0})
    assert [next(drawn)["n"], next(drawn)["n"]] == [1, 2]
    drawn.close()  # type: ignore[attr-defined] # it is a generator
    assert seen == [0, 1, "closed"]


@pytest.mark.parametrize(
    ("transform", "step", "said"),
    [
        pytest.param(lambda _: 1 / 0, "<lambda>", "division by zero", id="it raises"),
        pytest.param(itemgetter("lacking"), "itemgetter", "'lacking'", id="a key that is not there"),
        pytest.param(lambda _: 3, "<lambda>", "it gave int: expected a dict", id="a number"),
        pytest.param(lambda _: "abc", "<lambda>", "it gave str: expected a dict", id="a string"),
        pytest.param(lambda _: [1], "<lambda>", "it gave int: expected a dict", id="a list of numbers"),
        pytest.param(lambda _: next(iter(())), "<lambda>", "", id="a StopIteration that nobody meant"),
    ],
)
def test_a_step_that_fails_is_named(transform: Any, step: str, said: str) -> None:
    with pytest.raises(StepFailed) as failed:
        outputs([plus_one, transform], 4)
    assert failed.value.step.endswith(step)
    assert said in str(failed.value.error)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_a_program_is_let_through(stop: type[BaseException]) -> None:
    def stopping(_: Sample) -> Sample:
        raise stop

    with pytest.raises(stop):
        outputs(stopping, 4)


@pytest.mark.parametrize(
    "transforms", [3, "abc", [plus_one, None], [Translation]], ids=["a number", "a text", "None", "a class"]
)
def test_what_is_no_transform_is_refused(transforms: Any) -> None:
    with pytest.raises(InvalidArgument, match="transforms="):
        pipeline_of(transforms)


BOTH_WAYS = [Translation(plus_one, minus_one), Translation(doubled, halved)]


@given(st.integers())
def test_backward_leads_back(number: int) -> None:
    pipeline = pipeline_of(BOTH_WAYS)
    (there,) = pipeline.outputs({"n": number})
    assert there == {"n": (number + 1) * 2}
    assert pipeline.backward(there) == {"n": number}


def test_an_inverse_swaps_the_ways() -> None:
    assert BOTH_WAYS[0].inverse() == Translation(minus_one, plus_one)
    assert BOTH_WAYS[0].inverse().inverse() == BOTH_WAYS[0]


def test_backward_names_the_step_that_has_no_way_back() -> None:
    with pytest.raises(InvalidArgument, match="transforms=doubled: expected Translation"):
        pipeline_of([BOTH_WAYS[0], doubled]).backward({"n": 1})


def test_a_translation_takes_functions() -> None:
    with pytest.raises(InvalidArgument, match="backward=None"):
        Translation(plus_one, None)  # type: ignore[arg-type]


def test_a_pipeline_travels_to_another_process() -> None:
    pipeline = pipeline_of([*BOTH_WAYS, counted_up])
    copy: Pipeline = pickle.loads(pickle.dumps(pipeline))
    assert copy.steps[:2] == tuple(BOTH_WAYS)
    assert len(list(copy.outputs({"n": 1}))) == 4
