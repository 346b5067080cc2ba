"""Compute the names of a made-up namespace from their positions."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import date
from functools import cache, lru_cache
from random import Random
from typing import TYPE_CHECKING, NamedTuple, Protocol

from dataflux_core.emulator._shape_unpadded import Unpadded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Shape(Protocol):
    """A sorted namespace without a list of its names."""

    @property
    def count(self) -> int:
        """How many names there are."""

    def names(self, start: int, stop: int) -> list[str]:
        """Give the names at positions [start, stop), in order."""

    def rank(self, name: str) -> int:
        """Give the first position whose name is not below the given one."""

    def holds(self, name: str) -> bool:
        """Say whether the name is one of these; cheaper than looking at the name of its rank."""


class Grouped:
    """Names made of a head for each group of neighbours, then a tail from a short sorted table.

    Joining two ready strings takes 50 ns a name; formatting each number takes 200.
    """

    def __init__(self, count: int, head: Callable[[int], str], tails: Sequence[Sequence[str]]) -> None:
        self.count = count
        # A search by halves asks for the same few heads again and again.
        self._head = lru_cache(maxsize=4096)(head)
        self._tails = tails
        self._group = len(tails[0])
        self._groups = range(-(-count // self._group))

    def names(self, start: int, stop: int) -> list[str]:
        found: list[str] = []
        stop = min(stop, self.count)
        while start < stop:
            group, first = divmod(start, self._group)
            tails = self._tails[group % len(self._tails)][first : first + stop - start]
            head = self._head(group)
            found += [head + tail for tail in tails]
            start += len(tails)
        return found

    def rank(self, name: str) -> int:
        group = bisect_right(self._groups, name, key=self._head) - 1
        if group < 0:
            return 0
        head = self._head(group)
        if not name.startswith(head):
            return min((group + 1) * self._group, self.count)
        tails = self._tails[group % len(self._tails)]
        return min(group * self._group + bisect_left(tails, name[len(head) :]), self.count)

    def holds(self, name: str) -> bool:
        group = bisect_right(self._groups, name, key=self._head) - 1
        if group < 0:
            return False
        head, tails = self._head(group), self._tails[group % len(self._tails)]
        within = bisect_left(tails, name[len(head) :])
        if within == self._group or group * self._group + within >= self.count:
            return False
        return name == head + tails[within]


class Segment(NamedTuple):
    """A namespace under a prefix of its own."""

    prefix: str
    shape: Shape


class Segments:
    """Namespaces one behind the other; their prefixes must keep them apart."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = [segment for segment in segments if segment.shape.count]
        self._starts = [0]
        for segment in self._segments:
            self._starts.append(self._starts[-1] + segment.shape.count)
        self._firsts = [segment.prefix + segment.shape.names(0, 1)[0] for segment in self._segments]
        self.count = self._starts[-1]

    def names(self, start: int, stop: int) -> list[str]:
        found: list[str] = []
        stop = min(stop, self.count)
        at = bisect_right(self._starts, start) - 1
        while start < stop:
            prefix, shape = self._segments[at]
            end = min(stop, self._starts[at + 1])
            names = shape.names(start - self._starts[at], end - self._starts[at])
            found += [prefix + name for name in names] if prefix else names
            start = end
            at += 1
        return found

    def rank(self, name: str) -> int:
        at = bisect_right(self._firsts, name) - 1
        if at < 0:
            return 0
        prefix, shape = self._segments[at]
        within = shape.rank(name[len(prefix) :]) if name.startswith(prefix) else shape.count
        return self._starts[at] + within

    def holds(self, name: str) -> bool:
        at = bisect_right(self._firsts, name) - 1
        if at < 0:
            return False
        prefix, shape = self._segments[at]
        return name.startswith(prefix) and shape.holds(name[len(prefix) :])


DIGITS = [f"{number:03d}" for number in range(1000)]
HEX = "0123456789abcdef"
FOLDERS_BITS = 6
WORDS = (
    *("Ärger", "Zoë", "année", "böse", "café", "naïve", "pâté", "été", "łódź", "ñandú", "ōsaka", "ğüneş"),
    *("Αθήνα", "Москва", "данные", "שלום", "بيانات", "हिन्दी", "ภาษา", "한국어", "데이터", "서울"),
    *("あいう", "カタカナ", "データ", "写真", "北京", "图像", "学習", "数据", "東京", "機械", "訓練", "语音", "𠮷野家"),
    *("ﬁle", "ｆｕｌｌ", "😀", "🙂", "🚀", "🧪", "🦊", "🏳️‍🌈", "👩‍🔬", "🇩🇪", "𝒳", "plain", "with space", "a+b", "100%"),  # noqa: RUF001
    *("q?x", "k&v", "#hash", "semi;colon", "co,mma", "tilde~", "at@", "(paren)", "dollar$", "star*", "ex!", "e\u0301"),
    *("x=y", "dot.", "under_"),
)
UNICODE_TAILS = sorted([f"{word}-{number}.jpg" for word in ("写真", "img", "🙂", "é", "ｚ") for number in range(16)])  # noqa: RUF001
HIVE_TAILS = [f"part-{part:05d}-c000.snappy.parquet" for part in range(96)]
CLASS_IMAGES = 1300


def sequential(count: int) -> Shape:
    """Zero-padded numbers."""
    return Grouped(count, "{:09d}".format, [DIGITS])


def imagenet(count: int) -> Shape:
    """Classes of 1300 pictures, named as in ILSVRC."""
    tables = [_pictures(seed) for seed in range(8)]

    def head(group: int) -> str:
        class_id = f"n{1440764 + 37 * group:08d}"
        return f"train/{class_id}/{class_id}"

    return Grouped(count, head, tables)


@cache
def _pictures(seed: int) -> list[str]:
    numbers = Random(seed).sample(range(1, 30_000), CLASS_IMAGES)  # noqa: S311 - a fixed table of names
    return sorted(f"_{number}.JPEG" for number in numbers)


def hive(count: int) -> Shape:
    """Date partitions with 96 files a day."""
    first = date(1970, 1, 1).toordinal()

    def head(group: int) -> str:
        day = date.fromordinal(first + group)
        return f"year={day.year}/month={day.month:02d}/day={day.day:02d}/"

    return Grouped(count, head, [HIVE_TAILS])


def deep(count: int) -> Shape:
    """A tree of sixteen branches at each level with one object per leaf."""
    levels = max(4, (max(count - 1, 1).bit_length() + 3) // 4)

    def head(group: int) -> str:
        return "".join([f"d{digit}/" for digit in f"{group:0{levels - 2}x}"])

    return Grouped(count, head, [[f"d{upper}/d{lower}/object" for upper in HEX for lower in HEX]])


def unicode(count: int) -> Shape:
    """Folders of many scripts, three levels, in the order of their UTF-8 bytes."""
    folders = sorted(f"{word}/" for word in WORDS)[: 1 << FOLDERS_BITS]
    groups = -(-count // len(UNICODE_TAILS))
    space = 1 << 3 * FOLDERS_BITS
    if groups > space:
        raise ValueError(f"shape unicode has room for {space * len(UNICODE_TAILS)} names, not {count}")
    # Spread over all scripts, so that a small namespace has every one of them too.
    stride = space // max(groups, 1)
    mask = len(folders) - 1

    def head(group: int) -> str:
        at = group * stride
        return folders[at >> 2 * FOLDERS_BITS & mask] + folders[at >> FOLDERS_BITS & mask] + folders[at & mask]

    return Grouped(count, head, [UNICODE_TAILS])


def skewed(count: int) -> Shape:
    """One long prefix with 99.9 % of the names beside hundreds of tiny ones."""
    tiny = min(count, max(count // 1000, 1))
    prefixes = min(tiny, 300)
    shares = [tiny // prefixes + (at < tiny % prefixes) for at in range(prefixes)] if prefixes else []
    beside = [Segment(f"exports/team-{at:03d}/", sequential(share)) for at, share in enumerate(shares)]
    long = Segment("production/eu/telemetry/2026/raw/sensors/v3/session-", sequential(count - tiny))
    later = [Segment(f"scratch/{segment.prefix}", segment.shape) for segment in beside[prefixes // 2 :]]
    return Segments([*beside[: prefixes // 2], long, *later])


def uuids(count: int) -> Shape:
    """Random identifiers."""
    # Imported here because importing numpy takes longer than starting a server for a small test.
    from dataflux_core.emulator._shape_uuids import Uuids  # noqa: PLC0415

    return Uuids(count)


def mixed(count: int) -> Shape:
    """Nine tenths under one deep prefix, the rest UUIDs at the root or non-ASCII."""
    main = count * 9 // 10
    uuid_count = (count - main) // 2
    return Segments(
        [
            Segment("", uuids(uuid_count)),
            Segment("projects/vision/datasets/v7/frames/", sequential(main)),
            Segment("数据/", unicode(count - main - uuid_count)),
        ]
    )


SHAPES: dict[str, Callable[[int], Shape]] = {
    "sequential": sequential,
    "unpadded": Unpadded,
    "uuids": uuids,
    "imagenet": imagenet,
    "hive": hive,
    "skewed": skewed,
    "deep": deep,
    "unicode": unicode,
    "mixed": mixed,
}
