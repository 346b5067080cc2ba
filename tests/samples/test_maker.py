"""Rows become samples; what cannot be made goes to the policy."""

from __future__ import annotations

import logging
import pickle
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core import errors
from dataflux_core._data.samples.counts import SampleCounts
from dataflux_core._data.samples.encoded import Encoded, RawSample
from dataflux_core._data.samples.maker import SampleMaker
from dataflux_core._data.samples.pipeline import pipeline_of
from dataflux_core._data.samples.policy import BadSamplePolicy
from dataflux_core._data.samples.recipe import Recipe
from dataflux_core.decoders import Bytes, Image, Json, Text
from dataflux_core.errors import BadSample, DatafluxError, InvalidArgument, TooManyBadSamples
from tests.samples.media import np, picture, smooth

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD = b'{"n": 1}'
GONE = errors.ObjectNotFound("b", "x.json")


def row(number: int = 0, content: bytes | DatafluxError = GOOD, **more: bytes | DatafluxError) -> RawSample:
    columns = {
        name: Encoded(read, f"gs://b/{number}.json") if isinstance(read, bytes) else read
        for name, read in {"data": content, **more}.items()
    }
    return RawSample(number, f"id-{number}", columns, {"label": number})


def maker(transforms: Any = None, decoders: Any = None, **policy: Any) -> SampleMaker:
    return SampleMaker(Recipe(decoders or {"data": Json()}, pipeline_of(transforms), BadSamplePolicy(**policy)))


def failing(_: dict[str, Any]) -> dict[str, Any]:
    raise ArithmeticError("the number is odd")


def two_then_failing(sample: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield sample
    yield sample
    raise ArithmeticError("no third")


def test_a_sample_is_what_the_index_says_and_what_was_decoded() -> None:
    made = maker(decoders={"data": Json(), "text": Text()})
    assert list(made.outputs(row(7, text=b"caption"))) == [{"label": 7, "data": {"n": 1}, "text": "caption"}]
    assert made.counts == SampleCounts(rows=1, samples=1)


def test_rows_that_become_none_one_or_many_are_counted() -> None:
    made = maker(lambda s: [s] * s["label"])
    assert [len(list(made.outputs(row(number)))) for number in range(4)] == [0, 1, 2, 3]
    assert made.counts == SampleCounts(rows=4, samples=6, dropped=1)


@pytest.mark.parametrize(
    ("content", "transforms", "column", "said", "cause"),
    [
        pytest.param(GONE, None, "data", "gs://b/x.json: no such object", errors.ObjectNotFound, id="not read"),
        pytest.param(
            b"{", None, "data", "gs://b/3.json is not decoded by Json: JSONDecodeError: ", ValueError, id="not decoded"
        ),
        pytest.param(
            GOOD,
            failing,
            "",
            "transform failing: ArithmeticError: the number is odd",
            ArithmeticError,
            id="not transformed",
        ),
        pytest.param(GOOD, lambda _: 3, "", "it gave int: expected a dict", TypeError, id="no sample"),
    ],
)
def test_a_bad_sample_names_row_id_column_reason_and_cause(
    content: Any, transforms: Any, column: str, said: str, cause: type[Exception]
) -> None:
    with pytest.raises(BadSample, match=r"row 3 \(id 'id-3'\)") as bad:
        list(maker(transforms).outputs(row(3, content)))
    assert (bad.value.row, bad.value.sample_id, bad.value.column) == (3, "id-3", column)
    assert said in bad.value.reason
    assert isinstance(bad.value.__cause__, cause)
    assert pickle.loads(pickle.dumps(bad.value)).args == bad.value.args


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
def test_a_reason_shows_no_signature_and_no_escapes(scheme: str) -> None:
    raw = RawSample(0, "a", {"data": Encoded(b"{", f"{scheme}://me:secret@host/\x1b[2Ja.json?sig=secret#secret")}, {})
    with pytest.raises(BadSample) as bad:
        list(maker().outputs(raw))
    assert f"{scheme}://host/\\x1b[2Ja.json?… is not decoded" in bad.value.reason
    assert "secret" not in str(bad.value)


def test_a_decoder_of_the_callers_own_is_named() -> None:
    with pytest.raises(BadSample, match="is not decoded by failing: ArithmeticError"):
        list(maker(decoders={"data": failing}).outputs(row()))


def test_skip_leaves_bad_samples_out_and_counts_them_by_kind() -> None:
    made = maker(failing_if_label_is_5, on_bad_sample="skip")
    rows = [row(0), row(1, GONE), row(2, b"{"), row(3, b"\xff"), row(4), row(5), row(6, GONE)]
    assert [sample["label"] for raw in rows for sample in made.outputs(raw)] == [0, 4]
    kinds = Counter(ObjectNotFound=2, JSONDecodeError=1, UnicodeDecodeError=1, ArithmeticError=1)
    assert made.counts == SampleCounts(rows=7, samples=2, bad=5, bad_by_kind=kinds)


def failing_if_label_is_5(sample: dict[str, Any]) -> dict[str, Any]:
    return failing(sample) if sample["label"] == 5 else sample


def test_counts_of_two_processes_add_up() -> None:
    one = SampleCounts(2, 3, 1, 1, 1, Counter(A=1))
    two = pickle.loads(pickle.dumps(SampleCounts(4, 4, 0, 2, 0, Counter(A=1, B=1))))
    assert one + two == SampleCounts(6, 7, 1, 3, 1, Counter(A=2, B=1))


@pytest.mark.parametrize(
    "on_bad_sample", ["raise", "skip", "fill", lambda _, partial: partial], ids=["raise", "skip", "fill", "a function"]
)
@pytest.mark.parametrize(
    "error",
    [
        errors.CredentialsMissing("none"),
        errors.ServiceRefused("https://h/a", 401, "who are you?"),
        errors.BucketNotFound("b"),
        errors.ExtraMissing("pictures", "image"),
        errors.CacheUnusable("/cache", "another version", "choose another"),
        errors.StageStuck("fetching", 60.0, "look"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_concerns_every_sample_is_raised_whatever_the_policy(on_bad_sample: Any, error: DatafluxError) -> None:
    with pytest.raises(type(error)) as raised:
        list(maker(on_bad_sample=on_bad_sample).outputs(row(0, error)))
    assert raised.value is error


def test_what_is_refused_to_one_object_is_of_one_sample() -> None:
    refused = errors.AccessDenied("gs://b/a", 403, "no")
    assert list(maker(on_bad_sample="skip").outputs(row(0, refused))) == []


@pytest.mark.parametrize("on_bad_sample", ["raise", "skip", "fill"])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_program_is_let_through(on_bad_sample: Any, stop: type[BaseException]) -> None:
    def stopping(_: Any) -> Any:
        raise stop

    with pytest.raises(stop):
        list(maker(stopping, on_bad_sample=on_bad_sample).outputs(row()))


def test_many_bad_samples_in_a_row_are_too_many() -> None:
    made = maker(on_bad_sample="skip", max_bad_in_a_row=2)
    for raw in [row(0, b""), row(1, b""), row(2), row(3, b""), row(4, b"")]:
        list(made.outputs(raw))
    with pytest.raises(TooManyBadSamples, match="3 bad samples in a row, 2 are allowed") as raised:
        list(made.outputs(row(5, b"")))
    assert isinstance(raised.value.__cause__, BadSample)
    assert raised.value.__cause__.row == 5


def test_many_bad_samples_altogether_are_too_many() -> None:
    made = maker(on_bad_sample="skip", max_bad_samples=2)
    for raw in [row(0, b""), row(1), row(2, b""), row(3)]:
        list(made.outputs(raw))
    with pytest.raises(TooManyBadSamples, match="3 bad samples altogether, 2 are allowed"):
        list(made.outputs(row(4, b"")))


def test_a_hundred_in_a_row_are_borne_unless_said_otherwise() -> None:
    made = maker(on_bad_sample="skip")
    for number in range(100):
        assert list(made.outputs(row(number, b""))) == []
    with pytest.raises(TooManyBadSamples):
        list(made.outputs(row(100, b"")))
    unlimited = maker(on_bad_sample="skip", max_bad_in_a_row=None)
    for number in range(300):
        assert list(unlimited.outputs(row(number, b""))) == []


def test_a_row_of_which_only_the_first_sample_is_drawn_ends_a_run_of_bad_ones() -> None:
    made = maker(lambda s: iter([s, s]), on_bad_sample="skip", max_bad_in_a_row=1)
    for _ in range(3):
        list(made.outputs(row(0, b"")))
        drawn = made.outputs(row(1))
        next(drawn)
        drawn.close()  # type: ignore[attr-defined] # it is a generator


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 5), st.integers(0, 20))
def test_limits_end_an_epoch_exactly_when_they_are_passed(goods: list[bool], in_a_row: int, altogether: int) -> None:
    made = maker(on_bad_sample="skip", max_bad_in_a_row=in_a_row, max_bad_samples=altogether)
    run = bad = 0
    for number, good in enumerate(goods):
        run, bad = (0, bad) if good else (run + 1, bad + 1)
        if run > in_a_row or bad > altogether:
            with pytest.raises(TooManyBadSamples):
                list(made.outputs(row(number, b"")))
            return
        assert len(list(made.outputs(row(number, GOOD if good else b"")))) == good


class TestFill:
    def test_a_decoders_blank_stands_in_and_goes_through_the_transforms(self) -> None:
        decoders = {"data": Image(size=(4, 6)), "text": Text()}
        made = maker(lambda s: {**s, "data": s["data"] + np.uint8(1)}, decoders, on_bad_sample="fill")
        (sample,) = made.outputs(row(3, b"no picture", text=b"a cat"))
        assert sample["data"].shape == (4, 6, 3)
        assert set(sample["data"].ravel().tolist()) == {1}
        assert (sample["text"], sample["label"]) == ("a cat", 3)
        assert made.counts == SampleCounts(1, 1, 0, 1, 1, Counter(ValueError=1))

    def test_a_given_value_comes_before_a_blank(self) -> None:
        made = maker(on_bad_sample="fill", fill_value={"data": {"n": 0}})
        assert list(made.outputs(row(3, GONE))) == [{"label": 3, "data": {"n": 0}}]

    def test_no_transform_writes_to_what_another_gets(self) -> None:
        def writing(sample: dict[str, Any]) -> dict[str, Any]:
            sample["data"].append(1)
            return sample

        made = maker(writing, on_bad_sample="fill", fill_value={"data": []})
        assert [sample["data"] for _ in range(2) for sample in made.outputs(row(0, GONE))] == [[1], [1]]

    def test_a_transform_that_failed_gets_blanks_alone(self) -> None:
        def picky(sample: dict[str, Any]) -> dict[str, Any]:
            return failing(sample) if sample["data"] else sample

        made = maker(picky, on_bad_sample="fill")
        assert list(made.outputs(row(3))) == [{"label": 3, "data": {}}]

    def test_a_transform_that_fails_on_blanks_too_is_an_error(self) -> None:
        with pytest.raises(BadSample, match="transform failing fails on what stands in for a bad sample"):
            list(maker(failing, on_bad_sample="fill").outputs(row(3)))

    def test_a_row_that_gave_samples_before_it_failed_is_not_filled(self) -> None:
        made = maker(two_then_failing, on_bad_sample="fill")
        assert len(list(made.outputs(row()))) == 2
        assert (made.counts.samples, made.counts.bad, made.counts.filled) == (2, 1, 0)

    def test_it_is_refused_at_once_where_nothing_says_with_what(self) -> None:
        with pytest.raises(InvalidArgument, match=r"fill_value={'data': …} beside it, since Image\(size=None"):
            maker(decoders={"data": Image()}, on_bad_sample="fill")
        with pytest.raises(InvalidArgument, match="fill_value={'data': …}"):
            maker(decoders={"data": failing}, on_bad_sample="fill")


class TestFunction:
    def test_it_gets_the_error_and_what_there_is_of_the_sample(self) -> None:
        seen: list[Any] = []

        def mended(error: BadSample, partial: dict[str, Any]) -> dict[str, Any]:
            seen.append((error.column, type(error.__cause__), partial))
            return {"mended": True}

        made = maker(failing, {"data": Json(), "text": Text()}, on_bad_sample=mended)
        assert list(made.outputs(row(1, GONE, text=b"a cat"))) == [{"mended": True}]
        assert list(made.outputs(row(2, text=b"a dog"))) == [{"mended": True}]
        assert seen == [
            ("data", errors.ObjectNotFound, {"label": 1, "text": "a cat"}),
            ("", ArithmeticError, {"label": 2, "data": {"n": 1}, "text": "a dog"}),
        ]
        assert (made.counts.bad, made.counts.filled, made.counts.samples) == (2, 2, 2)

    def test_it_gets_the_sample_as_it_was_before_transforms_wrote_to_it(self) -> None:
        def spoiling(sample: dict[str, Any]) -> dict[str, Any]:
            sample.clear()
            return failing(sample)

        made = maker(spoiling, on_bad_sample=lambda _, partial: partial)
        assert list(made.outputs(row(1))) == [{"label": 1, "data": {"n": 1}}]

    def test_none_leaves_the_sample_out(self) -> None:
        made = maker(on_bad_sample=lambda _error, _partial: None)
        assert list(made.outputs(row(1, GONE))) == []
        assert (made.counts.bad, made.counts.filled, made.counts.samples) == (1, 0, 0)

    def test_what_it_raises_is_raised(self) -> None:
        def giving_up(error: BadSample, _: Any) -> None:
            raise LookupError(error.row)

        with pytest.raises(LookupError, match="4"):
            list(maker(on_bad_sample=giving_up).outputs(row(4, GONE)))

    def test_limits_hold_for_it_too(self) -> None:
        made = maker(on_bad_sample=lambda _, partial: partial, max_bad_in_a_row=0)
        with pytest.raises(TooManyBadSamples):
            list(made.outputs(row(1, GONE)))

    def test_it_gives_a_dict_or_none(self) -> None:
        with pytest.raises(InvalidArgument, match="a function that gave int: expected a dict or None"):
            list(maker(on_bad_sample=lambda _error, _partial: 3).outputs(row(1, GONE)))


@pytest.mark.parametrize("on_bad_sample", ["skip", "raise"])
def test_what_was_given_before_a_generator_failed_stands(on_bad_sample: Any) -> None:
    made = maker(two_then_failing, on_bad_sample=on_bad_sample)
    drawn = made.outputs(row(1))
    assert [next(drawn)["label"], next(drawn)["label"]] == [1, 1]
    if on_bad_sample == "skip":
        assert list(drawn) == []
    else:
        with pytest.raises(BadSample, match="no third"):
            next(drawn)
    assert (made.counts.samples, made.counts.bad, made.counts.dropped) == (2, 1, 0)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        pytest.param({"on_bad_sample": "ignore"}, "on_bad_sample='ignore'", id="a word that means nothing"),
        pytest.param({"on_bad_sample": None}, "on_bad_sample=None", id="nothing"),
        pytest.param({"max_bad_in_a_row": -1}, "max_bad_in_a_row=-1", id="less than none"),
        pytest.param({"max_bad_samples": "2"}, "max_bad_samples='2'", id="a limit that is no number"),
        pytest.param({"on_bad_sample": "skip", "fill_value": {}}, "fill_value=given", id="a value that fills nothing"),
    ],
)
def test_a_policy_that_means_nothing_is_refused(policy: Any, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        BadSamplePolicy(**policy)


def test_the_first_of_a_kind_is_logged_where_its_reader_looks(caplog: pytest.LogCaptureFixture) -> None:
    made = maker(on_bad_sample="skip")
    with caplog.at_level(logging.DEBUG, "dataflux_core"):
        for raw in [row(0, b"{"), row(1, b"{"), row(2, GONE)]:
            list(made.outputs(raw))
    assert [record.levelname for record in caplog.records] == ["WARNING", "DEBUG", "WARNING"]
    assert "sample.bad row=0 kind=JSONDecodeError" in caplog.text


def test_a_recipe_travels_to_another_process() -> None:
    recipe = Recipe({"data": Image(size=(2, 2)), "b": Bytes()}, pipeline_of(failing), BadSamplePolicy())
    copy: Recipe = pickle.loads(pickle.dumps(recipe))
    assert copy.decoders == recipe.decoders
    assert copy.pipeline == recipe.pipeline
    assert SampleMaker(copy).counts == SampleCounts()


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", picture(smooth(40, 40), "JPEG")[:-300], b"<html>404</html>"])
def test_a_bad_picture_is_a_bad_sample(content: bytes) -> None:
    with pytest.raises(BadSample, match="column 'data': gs://b/0.json is not decoded by Image: "):
        list(maker(decoders={"data": Image(size=(8, 8))}).outputs(row(0, content)))
