"""Build plain values out of YAML, with the place of each."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from dataflux_core._plan.text import shown
from dataflux_core._wire.flare.marks import Marks, line_and_column, place_at, place_of, quoted
from dataflux_core._wire.flare.problems import Stop
from dataflux_core._wire.flare.scalars import meaning_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from yaml.events import Event, NodeEvent

    from dataflux_core._wire.flare.marks import Step
    from dataflux_core._wire.flare.problems import Problems

# For its events alone. That of libyaml takes a fifteenth of the time; a PyYAML that was built without lacks it.
PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"

MAX_DEPTH = 16  # mappings and lists within each other; the format needs four
MAX_VALUES = 10_000_000
MAX_CONTAINERS = 500_000  # mappings, lists, names in mappings: each takes some 300 bytes, a value in a list takes 60
_SURROGATE = re.compile("[\ud800-\udfff]")
_LETTERS = frozenset("yYnN")  # booleans by the letter of YAML 1.1; hardly a parser does that, people name streams so
_WRITE_OUT = "write the value out"
_QUOTE = 'put it between quotes ("…")'


def build(content: bytes, problems: Problems) -> tuple[Value, Marks]:
    """Return the one document's value, with marks; raises Stop where it cannot be read to its end.

    Only the core schema of YAML 1.2 is read: no anchors, aliases, tags, merge keys.
    """
    try:
        return _Builder(PARSER(io.BytesIO(content)).get_event, problems).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        context = f" {error.context}" if error.context else ""
        message = shown(f"no YAML: {error.problem or 'it cannot be parsed'}{context}")
        problems.error((), message, "correct it", 0 if mark is None else place_at(mark.line, mark.column))
        raise Stop from error
    except yaml.YAMLError as error:
        problems.error((), f"no YAML: {shown(str(error).splitlines()[0])}", "correct it", 0)
        raise Stop from error
    except (ValueError, OverflowError) as error:  # without libyaml: too many digits in an escape or a version
        problems.error((), f"no YAML: {shown(str(error))}", "correct it", 0)
        raise Stop from error


class _Builder:
    """Turns events into values; the path to where it is says what a problem is about."""

    def __init__(self, next_event: Callable[[], Event | None], problems: Problems) -> None:
        self._next = next_event
        self._problems = problems
        self._path: list[Step] = []
        self._values = 0
        self._containers = 0

    def document(self) -> tuple[Value, Marks]:
        self._next()  # the start of the stream
        if isinstance(self._next(), StreamEndEvent):
            self._stop("it is empty", "write at least {}", 0)
        event = self._event()
        marks = Marks(place_of(event))
        value = self._value(event, marks)
        if not isinstance(self._event(), DocumentEndEvent):
            self._stop("no YAML: more than one value", "correct it", 0)
        event = self._event()
        if not isinstance(event, StreamEndEvent):
            self._stop("a second document begins", "write one playlist a file", place_of(event))
        return value, marks

    def _event(self) -> Event:
        event = self._next()
        if event is None:
            self._stop("no YAML: it ends too early", "correct it", 0)
        return event

    def _stop(self, message: str, advice: str, place: int) -> NoReturn:
        self._problems.error(tuple(self._path), message, advice, place)
        raise Stop

    def _value(self, event: Event, marks: Marks) -> Value:
        """Build one value; `marks` are the ones that a list or mapping fills."""
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        if isinstance(event, AliasEvent):
            self._report(event, "an alias; a playlist has none, as they make megabytes of a line", _WRITE_OUT)
            return None
        if not isinstance(event, (SequenceStartEvent, MappingStartEvent)):
            self._stop("no YAML: no value", "correct it", place_of(event))
        self._check_plain(event)
        if len(self._path) >= MAX_DEPTH:
            self._stop(
                f"more than {MAX_DEPTH} lists and mappings within each other", "make it flatter", place_of(event)
            )
        self._count_container(event)
        return self._sequence(marks) if isinstance(event, SequenceStartEvent) else self._mapping(marks)

    def _sequence(self, marks: Marks) -> list[Value]:
        values: list[Value] = []
        places, path = marks.places, self._path
        path.append(0)
        while not isinstance(event := self._event(), SequenceEndEvent):
            place = place_of(event)
            places.append(place)
            path[-1] = len(values)
            self._count_value(place)
            if isinstance(event, ScalarEvent):
                values.append(self._scalar(event))
            else:
                values.append(self._value(event, self._child(marks, len(values), event)))
        path.pop()
        return values

    def _mapping(self, marks: Marks) -> dict[str, Value]:
        values: dict[str, Value] = {}
        path = self._path
        while not isinstance(event := self._event(), MappingEndEvent):
            self._count_container(event)
            name = self._name(event)
            path.append(name if name is not None else "?")
            key_place, first_place = place_of(event), marks.keys.get(name or "")
            event = self._event()
            is_kept = name is not None and name not in values
            value = self._value(event, self._child(marks if is_kept else Marks(0), path[-1], event))
            if name is not None and is_kept:
                values[name] = value
                marks.keys[name], marks.values[name] = key_place, place_of(event)
            elif name is not None and first_place is not None:
                message = f"{quoted(name)} is here a second time, after line {line_and_column(first_place)[0]}"
                self._problems.error(tuple(path), message, "rename or remove one of the two", key_place)
            path.pop()
        return values

    def _name(self, event: Event) -> str | None:
        """Return the name that stands before a value, None where that is none."""
        if not isinstance(event, ScalarEvent):
            self._stop("no text but a list, mapping or alias as a name", "write a text there", place_of(event))
        self._check_plain(event)
        text = self._text(event)
        if not event.implicit[0]:
            return text
        meaning = meaning_of(text)
        if text == "<<":
            self._report(event, "a merge key; a playlist has none", f"{_WRITE_OUT}; if it is a name, {_QUOTE}")
            return None
        if meaning.problem or not isinstance(meaning.value, str):
            kind = meaning.problem or _kind(meaning.value)
            self._report(event, f"the name {quoted(text)} is {kind}, expected a text", _QUOTE)
            return None
        if not meaning.elsewhere:
            return text
        message = f"the name {quoted(text)} is {meaning.elsewhere} in YAML 1.1"
        if text in _LETTERS:
            self._warn(event, message)
            return text
        self._report(event, message, _QUOTE)
        return None

    def _scalar(self, event: ScalarEvent) -> Value:
        if event.anchor is not None or event.tag is not None:
            self._check_plain(event)
        text: str = event.value
        if not event.implicit[0]:
            return self._text(event)
        meaning = meaning_of(text)
        if meaning.problem:
            self._report(event, meaning.problem, f"if it is a text, {_QUOTE}")
            return text
        if meaning.elsewhere:
            read = "text" if isinstance(meaning.value, str) else str(meaning.value)
            self._warn(event, f"{quoted(text)} is {read} in YAML 1.2 but {meaning.elsewhere} in YAML 1.1")
        return meaning.value

    def _text(self, event: ScalarEvent) -> str:
        text: str = event.value
        if _SURROGATE.search(text):  # PyYAML's own parser lets them through
            self._stop("half a surrogate pair, which is no character", "write the character itself", place_of(event))
        return text

    def _check_plain(self, event: NodeEvent) -> None:
        if event.anchor is not None:
            self._report(event, "an anchor; a playlist has none", f"remove &{shown(event.anchor[:20])}")
        if getattr(event, "tag", None) is not None:
            self._report(event, "a tag; a playlist has none", "remove it; quotes make a text of a number")

    def _child(self, marks: Marks, step: Step, event: Event) -> Marks:
        if isinstance(event, (ScalarEvent, AliasEvent)):
            return marks  # which these do not fill
        child = marks.children[step] = Marks(place_of(event))
        return child

    def _count_value(self, place: int) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            self._stop(f"more than {MAX_VALUES:,} values", "cut it into several playlists", place)

    def _count_container(self, event: Event) -> None:
        self._containers += 1
        if self._containers > MAX_CONTAINERS:
            message = f"more than {MAX_CONTAINERS:,} lists, mappings and names"
            self._stop(message, "cut it into several playlists", place_of(event))

    def _report(self, event: Event, message: str, advice: str) -> None:
        if not self._problems.more("error"):
            self._problems.error(tuple(self._path), message, advice, place_of(event))

    def _warn(self, event: Event, message: str) -> None:
        if not self._problems.more("warning"):
            self._problems.warn(tuple(self._path), message, _QUOTE, place_of(event))


def _kind(value: Value) -> str:
    if value is None:
        return "nothing at all"
    return "true or false" if isinstance(value, bool) else "a number"
