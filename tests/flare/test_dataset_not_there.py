"""A playlist that cannot be read is said to be so in the same words however a dataset is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dataflux_core.errors import EndpointUnreachable, IndexUnusable, ServiceRefused
from dataflux_core.flare.torch import FlareDataset
from dataflux_core.streaming import StreamingDataset
from tests.fetching.hostile import Hostile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WAYS: dict[str, Callable[..., StreamingDataset]] = {"a dataset": StreamingDataset, "the short way": FlareDataset}


@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_is_down_is_no_wrong_path(way: str) -> None:
    with pytest.raises(EndpointUnreachable, match="check the URL, the network"):
        WAYS[way]("http://127.0.0.1:9/playlist.yaml")


@pytest.mark.parametrize("way", WAYS)
def test_a_page_that_is_not_there_is_a_wrong_url(way: str) -> None:
    with Hostile() as server, pytest.raises(ServiceRefused, match="HTTP 404: .*; correct the URL of the playlist"):
        WAYS[way](f"{server.url}/playlist.yaml")


def test_a_file_that_is_not_there_is_named_with_the_next_step(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    with pytest.raises(
        IndexUnusable, match=f"^{path}: it cannot be read .No such file or directory.; correct the path"
    ):
        StreamingDataset(path)
    with pytest.raises(FileNotFoundError, match=f"correct the path of the playlist; .*'{path}'"):
        FlareDataset(path)


def test_a_folder_of_a_pack_is_refused_by_the_name_of_its_playlist(tmp_path: Path) -> None:
    (tmp_path / "playlist.yaml").touch()
    with pytest.raises(IsADirectoryError, match=f"Is a directory; give {tmp_path}/playlist.yaml"):
        FlareDataset(tmp_path)
