"""What a dataset is made of: secrets that are not repeated, types that are read, values that are refused."""

from __future__ import annotations

import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from dataflux_core.errors import IndexUnusable, InvalidArgument, StateMismatch
from dataflux_core.streaming import MixedDataset, StreamingDataset
from tests.streaming.streams import numbered, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "s3cr3t"  # noqa: S105 - of nothing


class Index(BaseHTTPRequestHandler):
    """Gives one index, whatever is asked for."""

    def do_GET(self) -> None:
        told = b"n,id\n1,a\n2,a\n" if "twice" in self.path else b"n\n1\n2\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_HEAD = do_GET  # noqa: N815 - as the server asks for it

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class TestNames:
    def test_a_signed_url_is_named_without_its_signature(self, web: str, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING)
        dataset = StreamingDataset(f"{web}/index.csv?X-Goog-Signature={SECRET}")
        assert "index.nothing_to_load" in caplog.text
        assert f"{web}/index.csv?…" in repr(dataset)
        assert SECRET not in caplog.text + repr(dataset) + "".join(dataset._feed.corpus.sources)

    @pytest.mark.parametrize(
        ("path", "keywords"),
        [
            ("twice.csv", {}),
            ("index.csv", {"columns_to_load": ["url"]}),
            ("index.csv", {"index_col_name": "key"}),
            ("index.csv", {"max_samples": 0}),
        ],
    )
    def test_errors_name_it_so(self, web: str, path: str, keywords: dict[str, Any]) -> None:
        with pytest.raises((IndexUnusable, InvalidArgument)) as told:
            StreamingDataset(f"{web}/{path}?X-Goog-Signature={SECRET}", **keywords)
        assert SECRET not in repr(told.value)
        assert SECRET not in str(told.value)

    def test_a_password_is_not_repeated(self) -> None:
        with pytest.raises((IndexUnusable, InvalidArgument)) as told:
            StreamingDataset(f"https://user:{SECRET}@host.invalid/a.nothing")
        assert SECRET not in str(told.value)
        rows = [{"url": f"ftp://user:{SECRET}@host/a?key={SECRET}"}]
        dataset = StreamingDataset(rows, columns_to_load=["url"], data_type="bytes")
        with pytest.raises(Exception, match=r"ftp://host/a\?….*expected one of gs://") as bad:
            list(dataset)
        assert SECRET not in str(bad.value)

    def test_tables_are_named_by_their_type(self) -> None:
        assert repr(StreamingDataset([{"n": 1}], columns_to_load=[])) == "<StreamingDataset of 1 rows from list>"


class TestFiles:
    @pytest.mark.parametrize("name", ["a b.txt", "100%.txt", "ä#?.txt", "%41.txt"])
    def test_file_urls_are_read_as_they_are_written(self, tmp_path: Path, name: str) -> None:
        file = tmp_path / name
        file.write_text("hello")
        rows = [
            {"url": url} for url in (file.as_uri(), file.as_uri().replace("file://", "file://localhost"), str(file))
        ]
        assert [sample["url"] for sample in StreamingDataset(rows, data_type="text")] == ["hello"] * 3

    @pytest.mark.parametrize("url", ["file://elsewhere/a.txt", "file://a.txt"])
    def test_those_of_other_hosts_are_refused(self, url: str) -> None:
        dataset = StreamingDataset([{"url": url}], data_type="text")
        with pytest.raises(Exception, match="the absolute path of a file on this machine"):
            list(dataset)

    def test_bytes_that_are_no_url_are_not_shown_whole(self) -> None:
        dataset = StreamingDataset([{"url": b"\xff" * 200_000}], columns_to_load=["url"], data_type="bytes")
        with pytest.raises(Exception, match="is no URL but a bytes") as told:
            list(dataset)
        assert len(str(told.value)) < 500


class TestFacts:
    @staticmethod
    def sizes(file: Path, sizes: list[Any], name: str = "url.size") -> Any:
        file.write_text("12345")
        columns = {"url": [str(file)] * len(sizes), name: sizes}
        dataset = StreamingDataset(columns, columns_to_load=["url"], data_type="text")
        window = dataset._feed.corpus.window(np.arange(len(sizes)))
        return None if window.objects.sizes is None else list(window.objects.sizes)

    @pytest.mark.parametrize("name", ["url.size", "size"])
    def test_sizes_in_a_column_of_floats_are_sizes(self, tmp_path: Path, name: str) -> None:
        """As pandas makes of whole numbers of which one is missing."""
        assert self.sizes(tmp_path / "a", [5.0, float("nan"), None], name) == [5, -1, -1]
        assert self.sizes(tmp_path / "a", [5, None], name) == [5, -1]

    def test_a_column_of_nothing_tells_nothing(self, tmp_path: Path) -> None:
        assert self.sizes(tmp_path / "a", [None, None]) == [-1, -1]

    @pytest.mark.parametrize("size", [5.5, float("inf"), 2.0**60])
    def test_others_are_named(self, tmp_path: Path, size: float) -> None:
        with pytest.raises(IndexUnusable, match=r"column 'url.size': .* is no whole number"):
            self.sizes(tmp_path / "a", [5.0, size])

    @pytest.mark.parametrize(
        ("fact", "value"), [("size", "5"), ("size", True), ("crc32c", 5), ("generation", "1"), ("size", [5])]
    )
    def test_a_type_that_no_fact_has_is_named_at_once(self, tmp_path: Path, fact: str, value: Any) -> None:
        with pytest.raises(IndexUnusable, match=rf"column 'url.{fact}' is of \w+.*leave the column out"):
            self.sizes(tmp_path / "a", [value], f"url.{fact}")

    def test_what_merely_has_the_name_is_a_value(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("1")
        rows = [{"url": str(tmp_path / "a"), "size": "large"}]
        assert list(StreamingDataset(rows, data_type="text")) == [{"url": "1", "size": "large"}]


class TestIds:
    def test_ids_by_default_differ_as_well(self) -> None:
        with pytest.raises(IndexUnusable, match="list: column 'id': rows 0 and 2 have the same id 'a'"):
            StreamingDataset([{"id": "a"}, {"id": "b"}, {"id": "a"}], columns_to_load=[])

    def test_other_columns_need_not(self) -> None:
        assert len(StreamingDataset([{"key": "a"}, {"key": "a"}], columns_to_load=[])) == 2


def mix(**keywords: Any) -> MixedDataset:
    return MixedDataset([numbered(4), numbered(4)], **keywords)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        pytest.param(lambda: mix(repeat=0.5), r"repeat=0.5: expected a list with a number for each", id="one amount"),
        pytest.param(lambda: mix(repeat=["a", "b"]), r"repeat\[0\]='a'", id="amounts of letters"),
        pytest.param(lambda: mix(choose="12"), r"choose='12'", id="amounts in a text"),
        pytest.param(lambda: mix(repeat=[1, None]), r"repeat\[1\]=None", id="an amount that is none"),
        pytest.param(lambda: mix(epoch_samples="5", proportion=[1, 1]), "epoch_samples='5'", id="samples in a text"),
        pytest.param(lambda: mix(proportion=[0, 0]), "at least one sample in an epoch", id="nothing of either"),
        pytest.param(lambda: mix(choose=[0, 0]), "at least one sample in an epoch", id="no sample chosen"),
        pytest.param(lambda: mix(shuffle=True), "with each dataset of the mix", id="shuffle of a mix"),
        pytest.param(lambda: numbered(4).set_epoch(2**63), r"epoch=9223372036854775808", id="a huge epoch"),
        pytest.param(lambda: numbered(4, prefetch_bytes=0), "prefetch_bytes=0: .*at least 1", id="nothing read ahead"),
        pytest.param(
            lambda: numbered(4, prefetch_bytes="0MB"), "prefetch_bytes=0: .*at least 1", id="nothing, told so"
        ),
        pytest.param(lambda: numbered(4, dst=5), "dst=5: expected the path", id="a cache in a number"),
        pytest.param(lambda: numbered(4, dst=""), "dst='': expected the path", id="a cache nowhere"),
        pytest.param(
            lambda: numbered(4, cache_limit="9" * 400), "cache_limit='999.*30 digits at most", id="a limit of all bytes"
        ),
        pytest.param(
            lambda: numbered(4, fill_value=3, on_bad_sample="fill"), "fill_value=3: expected a dict", id="one blank"
        ),
        pytest.param(
            lambda: StreamingDataset([{"n": 1}], columns_to_load=cast("Any", 5)),
            "columns_to_load=5: expected a list of names",
            id="columns by their number",
        ),
        pytest.param(
            lambda: numbered(4).batches(0), "batch_size=0", id="batches of nothing, before the first is asked for"
        ),
        pytest.param(
            lambda: numbered(4, ranks_per_node=2),
            "divisor of the world, which is 1, since none is told: make the dataset once torch.distributed is",
            id="nodes before ranks are known",
        ),
        pytest.param(
            lambda: numbered(4, ranks_per_node=2, rank=0, world=3),
            "which is 3, given or told",
            id="nodes of unlike size",
        ),
    ],
)
def test_what_means_nothing_is_refused_at_once(made: Any, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        made()


def test_a_state_of_an_epoch_beyond_all_is_none() -> None:
    dataset = numbered(4)
    with pytest.raises(StateMismatch, match="damaged"):
        dataset.load_state_dict({**dataset.state_dict(), "epoch": 2**64})


def test_a_state_whose_row_gave_several_samples_is_none_where_each_gives_one() -> None:
    """It would be passed over, unseen."""
    dataset = numbered(20)
    next(iter(dataset))
    state = dataset.state_dict()
    for midway in {"lanes": [[-1, 0, 1, 1, 10**12, 0]]}, {"begun": [3, 1]}:
        with pytest.raises(StateMismatch, match="of which this dataset makes one"):
            numbered(20).load_state_dict({**state, **midway})


def test_amounts_may_be_numbers_of_numpy() -> None:
    amounts: Any = np.array([0.5, 2], np.float32)
    assert len(mix(repeat=amounts)) == len(mix(repeat=[np.float64(0.5), np.int64(2)])) == 10


def test_what_changes_nothing_is_no_part_of_the_order() -> None:
    plain = numbered(8, shuffle=False)
    blocks = numbered(8, shuffle=False, block_samples=4, ranks_per_node=1, rank=0, world=1)
    assert plain.state_dict()["order"] == blocks.state_dict()["order"]
    assert numbers(plain) == numbers(blocks)
    assert MixedDataset([plain]).state_dict()["order"] == MixedDataset([blocks]).state_dict()["order"]
