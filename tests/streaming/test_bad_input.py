"""What cannot be a dataset, or not this one: an error that names the row, the column, the next step."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from dataflux_core.emulator import Emulator, Memory
from dataflux_core.errors import (
    AccessDenied,
    BadSample,
    CacheUnusable,
    CredentialsMissing,
    DatafluxError,
    EndpointUnreachable,
    IndexUnusable,
    InvalidArgument,
    ObjectNotFound,
    ServiceRefused,
    StateMismatch,
    TooManyBadSamples,
)
from dataflux_core.streaming import StreamingDataset
from tests.conftest import point_at
from tests.streaming.streams import filed, numbered, numbers


def made(rows: Any, **keywords: Any) -> StreamingDataset:
    return StreamingDataset(rows, **{"data_type": "bytes", **keywords})


def indexed(folder: Path, rows: list[dict[str, Any]]) -> str:
    """Write an index beside the files that it names."""
    (folder / "index.json").write_text(json.dumps(rows))
    return str(folder / "index.json")


@pytest.mark.parametrize(
    ("rows", "keywords", "error", "said"),
    [
        pytest.param([], {}, IndexUnusable, "no sample in it", id="an empty index"),
        pytest.param(
            [{"u": "x"}], {"columns_to_load": ["v"]}, IndexUnusable, "no column 'v'; there are u", id="no such column"
        ),
        pytest.param(
            [{"u": "x"}], {"index_col_name": "k", "columns_to_load": ["u"]}, IndexUnusable, "'k'", id="no ids"
        ),
        pytest.param([{"u": "x"}], {"columns_to_keep": ["w"]}, IndexUnusable, "'w'", id="nothing to be kept"),
        pytest.param(
            [{"url": "x", "k": 1}, {"url": "y", "k": 1}], {"index_col_name": "k"}, IndexUnusable, "1", id="an id twice"
        ),
        pytest.param([{"url": "x"}], {"columns_to_load": "url"}, InvalidArgument, r"\['url'\]", id="a name for a list"),
        pytest.param([{"url": "x"}], {"data_type": "pickle"}, InvalidArgument, "data_type", id="no such type"),
        pytest.param([{"url": "x"}], {"tail": "even"}, InvalidArgument, "'pad', 'drop', 'uneven'", id="no such tail"),
        pytest.param([{"url": "x"}], {"rank": 1}, InvalidArgument, "both of them", id="a rank of no world"),
        pytest.param([{"url": "x"}], {"rank": 2, "world": 2}, InvalidArgument, "rank < world", id="a rank too many"),
        pytest.param([{"url": "x"}], {"rank": "0", "world": "2"}, InvalidArgument, "whole", id="ranks in words"),
        pytest.param([{"url": "x"}], {"batch_size": 0}, InvalidArgument, "batch_size=0", id="batches of nothing"),
        pytest.param([{"url": "x"}], {"seed": "a"}, InvalidArgument, "seed", id="a seed in words"),
        pytest.param([{"url": "x"}], {"block_samples": -1}, InvalidArgument, "block_samples=-1", id="blocks below 0"),
        pytest.param(
            [{"url": "x"}], {"ranks_per_node": 2}, InvalidArgument, "ranks_per_node", id="nodes beyond the world"
        ),
        pytest.param([{"url": "x"}], {"cache_limit": "much"}, InvalidArgument, "10GB", id="a limit in words"),
        pytest.param(
            [{"url": "x"}], {"prefetch_samples": 0}, InvalidArgument, "prefetch_samples=0", id="nothing ahead"
        ),
        pytest.param(
            [{"url": "x"}], {"on_bad_sample": "ignore"}, InvalidArgument, "on_bad_sample", id="no such policy"
        ),
        pytest.param([{"url": "x"}], {"transforms": 5}, InvalidArgument, "transforms", id="a transform that is none"),
        pytest.param("nowhere.parquet", {}, DatafluxError, "nowhere.parquet", id="no such file"),
        pytest.param("ftp://host/index.csv", {}, DatafluxError, "ftp", id="a scheme that is unknown"),
    ],
)
def test_what_cannot_be_a_dataset_is_refused_at_once(
    rows: Any, keywords: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        made(rows, **keywords)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param(None, "null", id="null"),
        pytest.param("", "empty", id="empty"),
        pytest.param("  ", "empty", id="blank"),
        pytest.param("ftp://host/x", "expected one of gs://", id="a scheme that is unknown"),
        pytest.param("javascript://x", "expected one of gs://", id="no scheme of files"),
        pytest.param("a\0b", "NUL", id="a NUL character"),
        pytest.param("missing", "missing", id="no such file"),
    ],
)
def test_a_row_that_names_nothing_is_named(value: Any, said: str, tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(b"good")
    index = indexed(tmp_path, [{"id": "first", "url": "good"}, {"id": "second", "url": value}])
    dataset = made(index)
    with pytest.raises(BadSample, match=r"row 1 \(id 'second'\), column 'url'") as caught:
        list(dataset)
    assert said in str(caught.value)
    assert dataset[0]["url"] == b"good"
    with pytest.raises(BadSample, match="row 1"):
        dataset[1]
    assert len(list(made(index, on_bad_sample="skip", tail="uneven"))) == 1


@pytest.mark.parametrize("value", [float("nan"), 5.5])
def test_numbers_are_no_urls(value: float) -> None:
    with pytest.raises(DatafluxError, match="url"):
        list(made([{"url": value}], columns_to_load=["url"]))


@pytest.mark.parametrize(
    "value", ["/etc/passwd", "file:///etc/passwd", "../../../../etc/passwd", "..%2f..%2fetc/passwd"]
)
@pytest.mark.usefixtures("environment")
def test_an_index_from_the_network_names_no_local_file(value: str) -> None:
    secret = Path("/etc/passwd").read_text()[:20]
    with Emulator(buckets={"b": Memory({"d/index.csv": f"url\n{value}\n".encode()})}) as gcs:
        point_at(gcs)
        for source in ("gs://b/d/index.csv", f"{gcs.endpoint}/b/d/index.csv"):
            with pytest.raises(DatafluxError) as caught:
                list(made(source))
            assert secret not in str(caught.value)


def test_an_id_is_never_a_path(tmp_path: Path) -> None:
    """A cache that took ids for names would write there."""
    (tmp_path / "good").write_bytes(b"good")
    index = indexed(tmp_path, [{"id": "../../x", "url": "good"}, {"id": "/etc/x", "url": "good"}])
    dataset = made(index, dst=str(tmp_path / "cache" / "deep"), index_col_name="id")
    assert [sample["id"] for sample in dataset] == ["../../x", "/etc/x"]
    assert {path.name for path in tmp_path.iterdir()} <= {"good", "cache", "index.json"}


def test_a_truncated_picture_is_a_bad_sample(tmp_path: Path) -> None:
    images = pytest.importorskip("PIL.Image")
    images.effect_noise((64, 64), 50).convert("RGB").save(tmp_path / "0.jpg")
    whole = (tmp_path / "0.jpg").read_bytes()
    (tmp_path / "1.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "2.jpg").write_bytes(b"")
    index = indexed(tmp_path, [{"url": f"{number}.jpg"} for number in range(3)])
    for row in (1, 2):
        with pytest.raises(BadSample, match=f"row {row} .*column 'url'.*{row}.jpg is not decoded by Image"):
            StreamingDataset(index, data_type="image")[row]
    given = list(StreamingDataset(index, data_type="image", on_bad_sample="fill", fill_value={"url": None}))
    assert [sample["url"] is None for sample in given] == [False, True, True]


@pytest.mark.usefixtures("environment")
def test_objects_that_are_gone_or_forbidden_are_told_apart() -> None:
    rows = [{"url": "gs://b/there"}, {"url": "gs://b/gone"}]
    with Emulator(buckets={"b": Memory({"there": b"x"})}) as gcs:
        point_at(gcs)
        with pytest.raises(BadSample, match="row 1.*gs://b/gone.*no such object") as caught:
            list(made(rows))
        assert isinstance(caught.value.__cause__, ObjectNotFound)
        assert [sample["url"] for sample in made(rows, on_bad_sample="skip", tail="uneven")] == [b"x"]


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("policy", ["raise", "skip", "fill"])
def test_refused_credentials_are_no_bad_samples(policy: str) -> None:
    rows = [{"url": f"gs://b/{number}"} for number in range(300)]
    with Emulator(buckets={"b": Memory({"0": b"x"})}, token="another") as gcs:  # noqa: S106 - of an emulator
        point_at(gcs)
        with pytest.raises((AccessDenied, CredentialsMissing, ServiceRefused)):
            list(made(rows, on_bad_sample=policy, max_bad_in_a_row=None))


@pytest.mark.usefixtures("environment")
def test_a_service_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    with pytest.raises((EndpointUnreachable, IndexUnusable), match=str(port)):
        made(f"http://127.0.0.1:{port}/index.csv")


def test_too_many_bad_samples_end_the_loop(tmp_path: Path) -> None:
    dataset = filed(tmp_path / "f", 30, bad=range(5, 15), shuffle=False, on_bad_sample="skip", max_bad_in_a_row=5)
    with pytest.raises(TooManyBadSamples, match="6 bad samples in a row, 5 are allowed"):
        numbers(dataset)
    dataset = filed(tmp_path / "f", 30, bad=range(0, 30, 3), on_bad_sample="skip", max_bad_samples=4)
    with pytest.raises(TooManyBadSamples, match="5 bad samples altogether"):
        numbers(dataset)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        pytest.param(numbered(21), "index", id="of more rows"),
        pytest.param(
            StreamingDataset([{"n": -1 - n} for n in range(20)], columns_to_load=[]), "index", id="of other rows"
        ),
        pytest.param(numbered(20, seed=1), "same seed", id="of another seed"),
        pytest.param(numbered(20, shuffle=False), "shuffle", id="unshuffled"),
        pytest.param(numbered(20, block_samples=4), "block_samples", id="of blocks"),
    ],
)
def test_a_state_of_another_dataset_is_refused(other: StreamingDataset, said: str) -> None:
    dataset = numbered(20)
    before = dataset.state_dict()
    with pytest.raises(StateMismatch, match=said):
        dataset.load_state_dict(other.state_dict())
    assert dataset.state_dict() == before


@pytest.mark.parametrize("told", [None, 5, "{}", {}, [], {"a": {"b": {}}}, [None], b"x"])
def test_what_is_no_state_is_refused(told: Any) -> None:
    with pytest.raises(StateMismatch, match="state_dict"):
        numbered(20).load_state_dict(told)


def test_a_state_within_itself_is_refused() -> None:
    told: dict[str, Any] = {}
    told["inner"] = told
    with pytest.raises(StateMismatch):
        numbered(20).load_state_dict(told)
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(StateMismatch):
        numbered(20).load_state_dict(endless)


def test_an_index_that_has_changed_is_noticed(tmp_path: Path) -> None:
    index = tmp_path / "index.json"
    index.write_text(json.dumps([{"n": number} for number in range(20)]))
    state = StreamingDataset(str(index), columns_to_load=[]).state_dict()
    StreamingDataset(str(index), columns_to_load=[]).load_state_dict(state)
    index.write_text(json.dumps([{"n": number} for number in range(1, 21)]))
    with pytest.raises(StateMismatch, match="unchanged"):
        StreamingDataset(str(index), columns_to_load=[]).load_state_dict(state)


@pytest.mark.parametrize("epoch", [-1, 1.5, "2", True, None])
def test_an_epoch_is_a_count(epoch: Any) -> None:
    with pytest.raises(InvalidArgument, match="epoch"):
        numbered(20).set_epoch(epoch)


@pytest.mark.parametrize("size", [0, -1, 2.5, "4", None, True])
def test_a_batch_has_a_size(size: Any) -> None:
    with pytest.raises(InvalidArgument, match="batch_size"):
        next(numbered(20).batches(size))


def test_a_cache_of_another_version_is_left_alone(tmp_path: Path) -> None:
    from dataflux_core._data.cache.place import FOLDER  # noqa: PLC0415 - the one test that looks within

    with Emulator(buckets={"b": Memory({"x": b"x"})}) as gcs, pytest.MonkeyPatch.context() as patch:
        for name, value in gcs.environ.items():
            patch.setenv(name, value)
        rows = [{"url": "gs://b/x"}]
        list(made(rows, dst=str(tmp_path)))
        (database,) = (tmp_path / FOLDER).glob("*.sqlite*") if (tmp_path / FOLDER).is_dir() else [tmp_path]
        before = sorted(path.name for path in tmp_path.rglob("*"))
        database.write_bytes(b"of another program" * 100)
        with pytest.raises(CacheUnusable, match="another"):
            list(made(rows, dst=str(tmp_path)))
        assert sorted(path.name for path in tmp_path.rglob("*")) == before
