"""Whatever the bytes, the reader gives streams or problems, in bounded time; what it takes for valid, others do too."""

from __future__ import annotations

import time
from contextlib import nullcontext
from random import Random
from typing import Any

import pytest
import yaml

from dataflux_core._plan.text import shown
from dataflux_core._wire.flare.reading import Found, read_playlist
from dataflux_core._wire.flare.writing import written
from tests.flare.playlists import headed, without_libyaml
from tests.flare.test_headers import ALL, WRONG
from tests.flare.test_hostile_text import BYTES, SYNTAX, YAML
from tests.flare.test_must_and_should import NAMES, SHAPE, SHOULDS, VALID
from tests.flare.test_round_trip import ordered

MOST_CPU_S = 5.0  # for an input of some kilobytes, on a machine that does other things too
RIGHT = [ALL.encode(), *(str(row.values[0]).encode() for row in [*VALID, *SHOULDS])]
SEEDS = [
    *(str(row.values[0]).encode() for row in [*SHAPE, *NAMES, *SYNTAX, *YAML]),
    *(headed(str(row.values[0])).encode() for row in WRONG),
    *(row.values[0] for row in BYTES if isinstance(row.values[0], bytes)),
]
# The two of them differ a little in what they take for YAML: tabs, colons before braces.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SEEDS = [seed for seed in SEEDS if len(seed) < 4_000]
WORDS = [  # what turns one thing into another
    *(b"&a", b"*a", b"<<: ", b"!!str ", b"! ", b"---\n", b"...\n", b"%YAML 1.2\n", b"%TAG ! a\n", b"? ", b"- ", b": "),
    *(b"\n", b"\r", b"\t", b"  ", b"\0", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xf0\x9f\x98\x80"),
    *(b"'", b'"', b"[", b"]", b"{", b"}", b",", b"#", b" #", b"|", b">-\n", b"\\", b'"\\u0000"', b'"\\ud800"', b"@"),
    *(b"yes", b"null", b"1e999", b"0x", b".inf", b"99999999999999999999"),
    *(b"headers: ", b"content:\n", b"sizes: ", b"mirrors: ", b"https://"),
]


def mutated(luck: Random) -> bytes:
    """Return a seed with some of it changed, repeated, gone, or out of another seed."""
    content = bytearray(luck.choice(luck.choice([RIGHT, RIGHT, SEEDS])))
    for _ in range(luck.choice([1, 1, 1, 2, 8])):
        start = luck.randint(0, len(content))
        stop = min(len(content), start + luck.choice([0, 0, 1, 2, 10, 100]))
        kind = luck.randrange(5)
        if kind == 0:
            content[start:stop] = luck.choice(WORDS) * luck.choice([1, 1, 1, 2, 30])
        elif kind == 1:
            content[start:stop] = luck.randbytes(luck.randint(0, 3))
        elif kind == 2:
            content[start:start] = content[start:stop] * luck.choice([1, 2, 20])
        elif kind == 3:
            other = luck.choice(SEEDS)
            cut = luck.randint(0, len(other))
            content[start:stop] = other[cut : cut + luck.randint(0, 60)]
        else:
            del content[start:stop]
    return bytes(content)


def check(content: bytes, *, is_slow: bool) -> Found:
    started = time.process_time()
    with without_libyaml() if is_slow else nullcontext():
        found = read_playlist(content)
    assert time.process_time() - started < MOST_CPU_S
    for problem in found.problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.message
        assert problem.advice
        assert shown(str(problem)) == str(problem)
    if found.is_valid:
        check_valid(content, found, yaml.SafeLoader if is_slow else LOADER)
    return found


def check_valid(content: bytes, found: Found, loader: Any) -> None:
    text = written(found.streams)
    values = [(stream.name, ordered(dict(stream.headers)), list(stream.content)) for stream in found.streams]
    again = read_playlist(text.encode())
    assert again.is_valid
    assert repr(again.streams) == repr(found.streams)  # nan is not itself
    assert repr(of_another_reader(text, LOADER)) == repr(values)
    if not found.problems:  # or else a reader of YAML 1.1 may read something else
        assert repr(of_another_reader(content, loader)) == repr(values)


def of_another_reader(text: str | bytes, loader: Any) -> Any:
    values = yaml.load(text, loader)  # noqa: S506 - a safe one
    return [(name, ordered(stream["headers"]), stream["content"]) for name, stream in values.items()]


def fuzz(seed: int, inputs: int) -> dict[str, int]:
    luck = Random(seed)
    counts = {"valid": 0, "invalid": 0}
    for number in range(inputs):
        content = mutated(luck)
        try:
            found = check(content, is_slow=number % 10 == 0)
        except Exception as error:
            raise AssertionError(f"seed {seed}, input {number}: {content!r}") from error
        counts["valid" if found.is_valid else "invalid"] += 1
    return counts


@pytest.mark.parametrize("seed", range(2))
def test_luck_finds_nothing(seed: int) -> None:
    counts = fuzz(seed, 1_000)
    assert min(counts.values()) > 50


@pytest.mark.matrix
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(100, 108))
def test_much_luck_finds_nothing(seed: int) -> None:
    fuzz(seed, 20_000)
