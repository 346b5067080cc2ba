"""`dataflux unpack` makes files of samples: each in its own place, whole, once."""

from __future__ import annotations

import csv
import errno
import fcntl
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core.emulator import Emulator, Fault, Latency, Memory
from dataflux_core.errors import IndexUnusable, UnsafeName
from tests.cli.conftest import asked
from tests.cli.terminal import TIMEOUT_S, at_terminal, dataflux, dataflux_process

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from dataflux_core._data.epoch.binding import Binding  # noqa: E402 - only where the extra is there
from dataflux_core._data.epoch.unpacked_names import NameCheck  # noqa: E402
from dataflux_core._data.index.opening import open_index  # noqa: E402
from dataflux_core._data.target_tree import TargetTree  # noqa: E402
from dataflux_core._plan.paths import plan_paths  # noqa: E402
from dataflux_core._plan.sample_files import JOURNAL, file_of  # noqa: E402
from dataflux_core.streaming import StreamingDataset  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PICTURES = {f"pictures/{number:03}.bin": bytes([number]) * (number + 1) for number in range(200)}
CAPTIONS = {f"pictures/{number:03}.txt": f"caption {number}".encode() for number in range(200)}


@pytest.fixture
def samples(gcs: Emulator) -> Emulator:
    gcs.create_bucket("samples", Memory({**PICTURES, **CAPTIONS}))
    return gcs


def written_index(path: Path, columns: Mapping[str, Sequence[Any]]) -> str:
    pq.write_table(pa.table(columns), path)
    return str(path)


def index_of(tmp_path: Path, count: int = 200) -> str:
    """Return an index that tells neither sizes nor checksums."""
    with (tmp_path / "index.csv").open("w") as file:
        rows = csv.writer(file)
        rows.writerow(["data_id", "data_url", "label"])
        rows.writerows([f"s{number}", f"gs://samples/pictures/{number:03}.bin", number % 7] for number in range(count))
    return str(tmp_path / "index.csv")


def files_of(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def samples_of(directory: Path) -> dict[str, bytes]:
    """Return the files of samples, without what tells of them."""
    return {path: content for path, content in files_of(directory).items() if path not in {"index.parquet", JOURNAL}}


EXPECTED = {f"s{number}.bin": PICTURES[f"pictures/{number:03}.bin"] for number in range(200)}


@pytest.mark.usefixtures("samples")
def test_the_published_call_gives_a_directory_that_a_dataset_opens(tmp_path: Path) -> None:
    target = tmp_path / "samples"
    call = ["--columns_to_load", "data_url", "--index_col_name", "data_id", "--num_downloading_workers", "10"]
    ran = dataflux("unpack", index_of(tmp_path), str(target), *call)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert "wrote 200 files, 19.6 KiB" in ran.stderr
    assert "200 samples in all" in ran.stderr
    assert samples_of(target) == EXPECTED
    dataset = StreamingDataset(str(target / "index.parquet"), index_col_name="data_id")
    assert {row["data_id"]: row["data_url"] for row in dataset} == {
        path.removesuffix(".bin"): content for path, content in EXPECTED.items()
    }
    assert [row["label"] for row in dataset] == [number % 7 for number in range(200)]


@pytest.mark.parametrize(
    ("column", "url", "has_several", "path"),
    [
        pytest.param("url", "jpg", False, "a.jpg", id="one column: id and extension"),
        pytest.param("url", "jpg", True, "a.url.jpg", id="several: the column between them"),
        pytest.param("jpg", "jpg", True, "a.jpg", id="a column that is called as its files end is not said twice"),
        pytest.param("url", "", False, "a", id="no extension"),
        pytest.param("url", "", True, "a.url", id="no extension, several columns"),
        pytest.param("url", "../x", False, "a", id="what is no plain extension is none"),
    ],
)
def test_files_are_named_after_id_column_extension(column: str, url: str, has_several: bool, path: str) -> None:
    assert file_of("a", column, url, has_several=has_several) == path


@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param([], id="all columns that hold URLs"),
        pytest.param(["--columns-to-load", "bin", "txt"], id="several names behind the option"),
        pytest.param(["--columns_to_load", "bin,txt"], id="separated by commas"),
        pytest.param(["--columns_to_load", "bin", "--columns-to-load=txt"], id="the option again"),
    ],
)
@pytest.mark.usefixtures("samples")
def test_a_directory_of_a_bucket_becomes_one_of_the_disk(tmp_path: Path, chosen: list[str]) -> None:
    ran = dataflux("unpack", "gs://samples/pictures/", str(tmp_path / "all"), *chosen)
    assert ran.returncode == 0, ran.stderr
    expected = {name.removeprefix("pictures/"): content for name, content in {**PICTURES, **CAPTIONS}.items()}
    assert samples_of(tmp_path / "all") == expected
    sample = StreamingDataset(str(tmp_path / "all" / "index.parquet"))[7]
    assert (sample["id"], sample["bin"], sample["txt"]) == ("007", bytes([7]) * 8, "caption 7")


def test_options_may_stand_before_the_places(samples: Emulator, tmp_path: Path) -> None:
    del samples
    places = ["gs://samples/pictures/", str(tmp_path / "some")]
    ran = dataflux("unpack", "-q", "--max-samples", "3", "--columns_to_load", "bin", "txt", *places)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(samples_of(tmp_path / "some")) == 6


LONG = "x" * 300


@pytest.mark.parametrize(
    ("ids", "row", "reason"),
    [
        pytest.param(["a", "../../x"], 1, "'..', which names no file", id="a path that leads outside"),
        pytest.param(["/etc/x"], 0, "'', which names no file", id="an absolute path"),
        pytest.param(["a", ""], 1, "'', which names no file", id="an empty id"),
        pytest.param(["a/"], 0, "'', which names no file", id="a directory"),
        pytest.param(["a\0b"], 0, "control character", id="a NUL"),
        pytest.param(["a\nb"], 0, "control character", id="a line feed"),
        pytest.param(["a", LONG], 1, "longer than the 255", id="a name that no file system holds"),
        pytest.param(["/".join(["y" * 200] * 21)], 0, "its path would be longer", id="a path that no system takes"),
        pytest.param(
            ["a", "a.bin/b"], 0, "would be a directory of row 1, id 'a.bin/b' too", id="a file and a directory"
        ),
        pytest.param([".dataflux-0123456789abcdef.lock"], 0, "names that a download gives", id="a name of our own"),
    ],
)
@pytest.mark.usefixtures("samples")
def test_an_id_that_is_no_path_of_its_own_is_refused_before_anything_is_written(
    gcs: Emulator, tmp_path: Path, ids: list[str], row: int, reason: str
) -> None:
    urls = [f"gs://samples/pictures/{number:03}.bin" for number in range(len(ids))]
    index = written_index(tmp_path / "i.parquet", {"id": ids, "url": urls})
    gcs.reset_requests()
    ran = dataflux("unpack", index, str(tmp_path / "new" / "target"), "--index_col_name", "id")
    assert ran.returncode == 1
    assert f"row {row}, id " in ran.stderr
    assert reason in ran.stderr
    assert "nothing is written" in ran.stderr
    assert not (tmp_path / "new").exists()
    assert asked(gcs) == set()


@pytest.mark.parametrize(
    ("ids", "reason"),
    [
        pytest.param(["a", "b", "a"], "row 2, id 'a': row 0 has the same id", id="twice, though their files differ"),
        pytest.param(["a", None, "c"], "row 1, id 'None': the id is null", id="none"),
        pytest.param([["a"], ["b"], ["c"]], "row 0, id \"['a']\": an id is a text or a number, no list", id="a list"),
    ],
)
def test_an_id_is_a_text_or_a_number_of_one_sample(tmp_path: Path, ids: list[Any], reason: str) -> None:
    urls = [f"gs://samples/x.{number}" for number in range(3)]
    ran = dataflux("unpack", written_index(tmp_path / "i.parquet", {"id": ids, "url": urls}), str(tmp_path / "target"))
    assert (ran.returncode, reason in ran.stderr) == (1, True)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    ("ids", "url"),
    [
        pytest.param(["index"], "https://example.test/a.parquet", id="the index"),
        pytest.param([JOURNAL], "https://example.test/a", id="the journal"),
    ],
)
def test_no_sample_takes_the_name_of_what_tells_of_them(tmp_path: Path, ids: list[str], url: str) -> None:
    index = written_index(tmp_path / "i.parquet", {"id": ids, "url": [url]})
    ran = dataflux("unpack", index, str(tmp_path / "target"))
    assert (ran.returncode, "tells what was unpacked" in ran.stderr) == (1, True)


@pytest.mark.parametrize(
    "twins",
    [pytest.param(["a", "A"], id="case"), pytest.param(["e\u0301", "\u00e9"], id="composed or not")],
)
@pytest.mark.usefixtures("samples")
def test_ids_that_a_file_system_takes_for_one_are_refused_there_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, twins: list[str]
) -> None:
    urls = [f"gs://samples/pictures/{number:03}.bin" for number in range(2)]
    index = written_index(tmp_path / "i.parquet", {"id": twins, "url": urls})
    assert dataflux("unpack", index, str(tmp_path / "apart")).returncode == 0
    assert len(samples_of(tmp_path / "apart")) == 2
    monkeypatch.setattr(TargetTree, "folds_case", lambda _: True)
    ran = dataflux("unpack", index, str(tmp_path / "folded"))
    assert ran.returncode == 1
    assert f"row 1, id {twins[1]!r}" in ran.stderr
    assert f"has the same path as that of row 0, id {twins[0]!r}" in ran.stderr
    assert not (tmp_path / "folded").exists()


@given(st.lists(st.text("aA./é", min_size=0, max_size=4), min_size=1, max_size=6, unique=True), st.booleans())
@settings(max_examples=150, deadline=None)
def test_names_are_judged_as_those_of_a_download(ids: list[str], folds_case: bool) -> None:
    binding = Binding(
        open_index([{"id": each, "url": "gs://b/x"} for each in ids]), "it", loaded=["url"], id_column="id", kept=None
    )
    check = NameCheck(binding, "it", Path("/tmp"), folds_case=folds_case)  # noqa: S108 - nothing is written
    try:
        plan_paths(ids, folds_case=folds_case)
    except UnsafeName:
        with pytest.raises(IndexUnusable):
            check.check(keeps_going=False)
    else:
        check.check(keeps_going=False)


@pytest.mark.parametrize("source", ["index.csv", "gs://samples/pictures/"], ids=["sizes unknown", "sizes listed"])
def test_what_is_there_whole_is_not_fetched_again(samples: Emulator, tmp_path: Path, source: str) -> None:
    place = source if "://" in source else index_of(tmp_path)
    target = tmp_path / "samples"
    first = dataflux("unpack", place, str(target))
    before = files_of(target)
    assert first.returncode == 0
    samples.reset_requests()
    again = dataflux("unpack", place, str(target))
    assert again.returncode == 0
    assert "wrote 0 files" in again.stderr
    assert asked(samples) <= {"list", "get"}  # the index itself
    assert files_of(target) == before


@pytest.mark.parametrize("spoilt", [b"cut", bytes(101)], ids=["cut short", "other bytes of the same size"])
@pytest.mark.usefixtures("samples")
def test_a_file_that_was_spoilt_is_fetched_again(tmp_path: Path, spoilt: bytes) -> None:
    target = tmp_path / "samples"
    call = ["unpack", index_of(tmp_path), str(target), "--index_col_name", "data_id"]
    dataflux(*call)
    (target / "s100.bin").write_bytes(spoilt)
    (target / "s3.bin").unlink()
    ran = dataflux(*call)
    assert "wrote 2 files" in ran.stderr
    assert samples_of(target) == EXPECTED


@pytest.mark.usefixtures("samples")
def test_another_index_into_the_same_directory_begins_anew(tmp_path: Path) -> None:
    target = tmp_path / "samples"
    dataflux("unpack", index_of(tmp_path), str(target), "--index_col_name", "data_id")
    other = written_index(tmp_path / "other.parquet", {"data_id": ["s5"], "url": ["gs://samples/pictures/009.bin"]})
    assert dataflux("unpack", other, str(target), "--index_col_name", "data_id").returncode == 0
    assert samples_of(target) == {**EXPECTED, "s5.bin": PICTURES["pictures/009.bin"]}
    assert len(StreamingDataset(str(target / "index.parquet"))) == 1


@pytest.mark.usefixtures("samples")
def test_an_index_that_somebody_else_has_written_is_not_replaced(tmp_path: Path) -> None:
    index = written_index(tmp_path / "index.parquet", {"id": ["a"], "url": ["gs://samples/pictures/009.bin"]})
    before = files_of(tmp_path)
    ran = dataflux("unpack", index, str(tmp_path))
    assert (ran.returncode, "another file has that name; move it away" in ran.stderr) == (1, True)
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("content", [b"mine", b"d", b"dataflux unpacked 1 0000\n"])
@pytest.mark.usefixtures("samples")
def test_a_journal_that_is_none_is_left_alone_one_of_another_index_is_not(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / JOURNAL).write_bytes(content)
    ran = dataflux("unpack", index_of(tmp_path), str(tmp_path / "samples"))
    if content == b"mine":
        assert (ran.returncode, "is not what an earlier run has left" in ran.stderr) == (1, True)
        assert files_of(tmp_path / "samples") == {JOURNAL: content}
    else:
        assert ran.returncode == 0


@pytest.mark.usefixtures("samples")
def test_a_journal_whose_last_record_is_cut_off_is_gone_on_with(tmp_path: Path) -> None:
    target = tmp_path / "samples"
    call = ["unpack", index_of(tmp_path), str(target), "--index_col_name", "data_id"]
    dataflux(*call)
    journal = target / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-5])
    assert "wrote 1 file," in dataflux(*call).stderr
    assert "wrote 0 files" in dataflux(*call).stderr


@pytest.mark.usefixtures("samples")
def test_a_journal_that_the_disk_takes_in_part_has_whole_records_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_write = os.write
    target = tmp_path / "samples"
    call = ["unpack", index_of(tmp_path), str(target), "--index_col_name", "data_id"]

    def write(descriptor: int, content: bytes) -> int:
        return true_write(descriptor, content[:-7] if len(content) == 32 * 24 else content)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write)
        ran = dataflux(*call)
    assert (ran.returncode, "make room there, then run the command again" in ran.stderr) == (1, True)
    assert dataflux(*call).returncode == 0
    assert samples_of(target) == EXPECTED
    assert "wrote 0 files" in dataflux(*call).stderr


@pytest.mark.usefixtures("samples")
def test_two_processes_do_not_unpack_to_one_directory_at_once(tmp_path: Path) -> None:
    target = tmp_path / "samples"
    call = ["unpack", index_of(tmp_path), str(target), "--index_col_name", "data_id"]
    dataflux(*call)
    with (target / JOURNAL).open("rb") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        ran = dataflux(*call)
    assert (ran.returncode, "another process is unpacking there" in ran.stderr) == (1, True)


BAD_URLS = ["gs://samples/pictures/000.bin", None, "gs://samples/gone.bin", "ftp://x/y.bin"]


@pytest.mark.usefixtures("samples")
def test_a_row_without_a_url_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    index = written_index(tmp_path / "i.parquet", {"id": list("abcd"), "url": BAD_URLS})
    ran = dataflux("unpack", index, str(tmp_path / "target"))
    assert ran.returncode == 1
    assert "row 1 (id 'b'), column 'url': no URL (null); mend it, or add --keep-going" in ran.stderr
    assert not (tmp_path / "target").exists()


@pytest.mark.usefixtures("samples")
def test_a_row_whose_object_is_gone_ends_it_with_the_row_named(tmp_path: Path) -> None:
    urls = ["gs://samples/pictures/000.bin", "gs://samples/gone.bin"]
    index = written_index(tmp_path / "i.parquet", {"id": ["a", "b"], "url": urls})
    ran = dataflux("unpack", index, str(tmp_path / "target"))
    assert ran.returncode == 1
    assert "row 1 (id 'b'), column 'url': gs://samples/gone.bin: no such object" in ran.stderr
    assert not (tmp_path / "target" / "index.parquet").exists()


@pytest.mark.usefixtures("samples")
def test_bad_rows_are_left_out_and_named_where_that_is_asked_for(tmp_path: Path) -> None:
    index = written_index(tmp_path / "i.parquet", {"id": list("abcd"), "url": BAD_URLS, "n": [1, 2, 3, 4]})
    ran = dataflux("unpack", "--keep-going", index, str(tmp_path / "target"))
    assert ran.returncode == 1
    lines = ran.stderr.splitlines()
    assert [line[:16] for line in lines[:3]] == ["failed row 1 (id", "failed row 3 (id", "failed row 2 (id"]
    assert "1 sample in all" in lines[3]
    assert lines[4] == "dataflux: 3 rows could not be had; the same command tries them again"
    assert samples_of(tmp_path / "target") == {"a.bin": PICTURES["pictures/000.bin"]}
    assert pq.read_table(tmp_path / "target" / "index.parquet").to_pylist() == [
        {"id": "a", "url": "a.bin", "url.size": 1, "url.crc32c": "Un1TUQ==", "n": 1}
    ]


def test_what_concerns_all_rows_ends_it_whatever_is_asked_for(tmp_path: Path) -> None:
    index = written_index(tmp_path / "i.parquet", {"id": ["a", "b"], "url": ["gs://denied/a", "gs://denied/b"]})
    ran = dataflux("unpack", "--keep-going", index, str(tmp_path / "target"))
    assert (ran.returncode, "HTTP 403" in ran.stderr) == (1, True)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        pytest.param(errno.ENOSPC, "No space left on device; make room there, then run the command again", id="full"),
        pytest.param(errno.EACCES, "Permission denied; ask for the permission to write there", id="not allowed"),
    ],
)
@pytest.mark.usefixtures("samples")
def test_what_the_disk_does_not_take_is_named_with_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    true_rename = os.rename

    def rename(source: Any, target: Any, **options: Any) -> None:
        if target == b"s150.bin":
            raise OSError(number, os.strerror(number))
        true_rename(source, target, **options)

    monkeypatch.setattr(os, "rename", rename)
    target = tmp_path / "samples"
    call = ["unpack", index_of(tmp_path), str(target), "--index_col_name", "data_id", "--num_downloading_workers", "4"]
    ran = dataflux(*call)
    assert ran.returncode == 1
    assert f"row 150, id 's150': cannot write {target}/s150.bin: {reason}" in ran.stderr
    left = samples_of(target)
    assert left.items() <= EXPECTED.items()
    monkeypatch.undo()


@pytest.mark.usefixtures("samples")
def test_what_is_in_the_way_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "samples" / "s3.bin").mkdir(parents=True)
    ran = dataflux("unpack", index_of(tmp_path), str(tmp_path / "samples"), "--index_col_name", "data_id")
    assert ran.returncode == 1
    assert "row 3, id 's3'" in ran.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=["Ctrl-C", "kill", "kill -9"])
def test_an_interruption_leaves_whole_files_that_are_not_fetched_again(
    samples: Emulator, tmp_path: Path, number: signal.Signals
) -> None:
    samples.configure(latency=Latency(read_s=0.05))
    target = tmp_path / "samples"
    call = ["unpack", index_of(tmp_path), str(target), "--index_col_name", "data_id"]
    with at_terminal(*call, "--num_downloading_workers", "2", streams="stderr") as (process, terminal):
        terminal.read_until(lambda seen: re.search(r"[3-9]\d/200", seen))
        process.send_signal(number)
        code = process.wait(TIMEOUT_S)
        seen = terminal.read()
    assert code == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[number]
    assert "Traceback" not in seen
    left = {path: content for path, content in samples_of(target).items() if ".dataflux-" not in path}
    assert 30 <= len(left) < 200
    assert left.items() <= EXPECTED.items()
    assert not (target / "index.parquet").exists()
    if number != signal.SIGKILL:
        assert "of 200 files are whole; the same command goes on after that" in seen
    samples.configure(latency=Latency())
    ran = dataflux(*call)
    assert ran.returncode == 0
    if number != signal.SIGKILL:
        assert f"; {len(left)} files there already" in ran.stderr
    assert samples_of(target) == EXPECTED


def test_a_service_that_stumbles_is_asked_again(samples: Emulator, tmp_path: Path) -> None:
    samples.configure(faults=[Fault("read", "503", probability=0.2)])
    ran = dataflux("unpack", index_of(tmp_path), str(tmp_path / "samples"), "--index_col_name", "data_id")
    assert ran.returncode == 0, ran.stderr
    assert samples_of(tmp_path / "samples") == EXPECTED


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["gone.parquet", "t"], 1, "there is no such file", id="no such index"),
        pytest.param(["ftp://x/y.csv", "t"], 1, "ftp:// is unknown", id="an unknown scheme"),
        pytest.param(["{index}", "t", "--columns_to_load", "nix"], 1, "there is no column 'nix'", id="no such column"),
        pytest.param(["{index}", "t", "--index_col_name", "nix"], 1, "no column 'nix'", id="no such column of ids"),
        pytest.param(
            ["{index}", "t", "--index_col_name", "label"], 1, "row 7, id '0': row 0 has the same id", id="ids repeat"
        ),
        pytest.param(["{index}", "gs://bucket"], 2, "DST", id="a URL in the place of the directory"),
        pytest.param(["{index}", "{index}"], 2, "DST", id="a file in the place of the directory"),
        pytest.param(["{index}"], 2, "Missing argument 'DST'", id="no directory"),
        pytest.param(
            ["{index}", "t", "--columns_to_load", "a,,b"], 2, "expected the name of a column", id="an empty name"
        ),
        pytest.param(["{index}", "t", "--columns_to_load", "a", "a"], 2, "named twice", id="a column twice"),
    ],
)
def test_what_cannot_be_meant_is_an_error_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    index = index_of(tmp_path)
    ran = dataflux("unpack", *(text.replace("{index}", index) for text in arguments))
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in ran.stderr
    assert not (tmp_path / "t").exists()


def test_local_files_need_no_credentials(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"text")
    index = written_index(tmp_path / "i.parquet", {"id": ["x/y"], "url": ["a.txt"]})
    environ = {name: value for name, value in os.environ.items() if name != "STORAGE_EMULATOR_HOST"}
    environ.update(GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "none.json"), NO_GCE_CHECK="true")
    ran = dataflux_process("unpack", index, str(tmp_path / "t"), env=environ)
    assert ran.returncode == 0, ran.stderr
    assert samples_of(tmp_path / "t") == {"x/y.txt": b"text"}
