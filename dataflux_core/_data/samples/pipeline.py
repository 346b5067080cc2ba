"""Lead a sample through its transforms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar

from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from dataflux_core._data.samples.encoded import Sample

Transform: TypeAlias = Callable[[dict[str, Any]], dict[str, Any] | Iterable[dict[str, Any] | None] | None]


_Function = TypeVar("_Function", bound=Callable[..., Any])
_MARK = "_dataflux_one_to_one"


def one_to_one(function: _Function) -> _Function:
    """Declare that a transform gives one dict for each: then all ranks have one state, as without transforms.

    Returns the function itself, so it is a decorator, too. Whoever gives anything else then has failed. Raises
    InvalidArgument for what takes no mark, such as a bound method.
    """
    if isinstance(function, Translation):
        return function
    try:
        setattr(function, _MARK, True)
    except (AttributeError, TypeError) as error:
        expected = "a function, a functools.partial, or an object with attributes"
        raise InvalidArgument("function", repr(function), expected) from error
    return function


@dataclass(frozen=True, slots=True)
class Translation:
    """A transform that can be undone: `backward` leads what `forward` gave, or a model's output like it, back."""

    forward: Callable[[dict[str, Any]], dict[str, Any]]
    backward: Callable[[dict[str, Any]], dict[str, Any]]

    def __post_init__(self) -> None:
        for name, function in (("forward", self.forward), ("backward", self.backward)):
            if not callable(function):
                raise InvalidArgument(name, repr(function), "a function from a dict to a dict")

    def __call__(self, sample: Sample) -> Sample:
        return self.forward(sample)

    def inverse(self) -> Translation:
        return Translation(self.backward, self.forward)


class StepFailed(Exception):
    """A transform raised `error`, or gave what is no sample: a messenger within this room, never seen outside."""

    def __init__(self, step: str, error: Exception) -> None:
        super().__init__(step, error)
        self.step, self.error = step, error


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Transforms one after the other; picklable where they are.

    Each takes a dict and gives a dict, None to drop the sample, or several samples: a list, or an iterator, such as a
    generator function gives, from which no more is drawn than is asked for.
    """

    steps: tuple[Transform, ...] = ()
    must_give_one: bool = False  # dict for each, whatever the steps have declared
    split: Callable[[Sample], Iterator[Sample]] | None = None  # what a row holds into samples, before any step
    # Of each step; kept, since a function that another process imports has no mark that was set later.
    give_one: tuple[bool, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "give_one", tuple(self.must_give_one or _is_one_to_one(step) for step in self.steps))

    def outputs(self, sample: Sample, tell: Callable[[], None] | None = None) -> Iterator[Sample]:
        """Yield what becomes of one sample: none, one or many; raises StepFailed for what a transform raises.

        Calls `tell` as soon as there may be several.
        """
        return _through(self, 0, sample, tell) if self.split is None else self._of_each(self.split, sample, tell)

    @property
    def changes(self) -> bool:
        """Whether a row may give anything but the sample that is decoded of it."""
        return bool(self.steps or self.split)

    @property
    def gives_one(self) -> bool:
        """Whether each row is known to give one sample."""
        return self.split is None and all(self.give_one)

    def _of_each(
        self, split: Callable[[Sample], Iterator[Sample]], sample: Sample, tell: Callable[[], None] | None
    ) -> Iterator[Sample]:
        if tell is not None:
            tell()
        for each in _several(split, split(sample)):
            yield from _through(self, 0, each, tell)

    def backward(self, sample: Sample) -> Sample:
        """Undo the transforms, the last one first; raises InvalidArgument where one is no Translation."""
        translations = [step for step in self.steps if isinstance(step, Translation)]
        for step in self.steps:
            if not isinstance(step, Translation):
                expected = "Translation(forward, backward), since its backward is asked for"
                raise InvalidArgument("transforms", name_of(step), expected)
        for translation in reversed(translations):
            sample = translation.backward(sample)
        return sample


def pipeline_of(
    transforms: Transform | Sequence[Transform] | None,
    split: Callable[[Sample], Iterator[Sample]] | None = None,
) -> Pipeline:
    """Return the pipeline of one transform, of several, of none; `split` makes samples of rows before these."""
    if transforms is None:
        return Pipeline(split=split)
    given = (transforms,) if callable(transforms) or not isinstance(transforms, Iterable) else transforms
    steps = tuple(given)
    for step in steps:
        if isinstance(step, type) or not callable(step):
            raise InvalidArgument("transforms", repr(step), "functions from a dict to a dict, None or several dicts")
    return Pipeline(steps, split=split)


def name_of(step: object) -> str:
    if isinstance(step, Translation):
        return f"Translation({name_of(step.forward)}, …)"
    return str(getattr(step, "__qualname__", None) or type(step).__name__)


def _is_one_to_one(step: Transform) -> bool:
    return isinstance(step, Translation) or bool(getattr(step, _MARK, False))


def _through(pipeline: Pipeline, at: int, sample: Sample, tell: Callable[[], None] | None) -> Iterator[Sample]:
    steps = pipeline.steps
    for number in range(at, len(steps)):
        step = steps[number]
        try:
            given = step(sample)
        except Exception as error:
            raise StepFailed(name_of(step), error) from error
        if not isinstance(given, dict):
            if pipeline.give_one[number]:
                _refuse(step, given, "one dict for each, as declared or as batches='one' asks for")
            if given is not None:
                if tell is not None:
                    tell()
                for several in _several(step, given):
                    yield from _through(pipeline, number + 1, several, tell)
            return
        sample = given
    yield sample


def _several(step: Transform, given: Any) -> Iterator[Sample]:  # noqa: ANN401 - whatever a caller's function gives
    if not isinstance(given, (Iterator, list, tuple)):
        _refuse(step, given)
    drawn = iter(given)
    try:
        while True:
            try:
                one = next(drawn)
            except StopIteration:
                return
            except Exception as error:
                raise StepFailed(name_of(step), error) from error
            if isinstance(one, dict):
                yield one
            elif one is not None:
                _refuse(step, one)
    finally:
        if hasattr(drawn, "close"):  # a generator's own clean-up waits for no collector
            drawn.close()


def _refuse(
    step: Transform, given: object, expected: str = "a dict, None, or an iterator or a list of dicts"
) -> NoReturn:
    wrong = TypeError(f"it gave {type(given).__name__}: expected {expected}")
    raise StepFailed(name_of(step), wrong) from wrong
