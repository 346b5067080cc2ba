from __future__ import annotations

from http.client import HTTPConnection
from pathlib import Path
from typing import get_args
from urllib.parse import quote, urlsplit

import pytest

from dataflux_core.emulator import Emulator, ShapeName, Synthetic

COUNT = 20_000_000
LIMIT_KB = 500_000
FIELDS = quote("items(name,size,storageClass),nextPageToken")


def test_twenty_million_objects_of_every_shape_fit_into_half_a_gigabyte() -> None:
    shapes: list[ShapeName] = list(get_args(ShapeName))
    with Emulator(buckets={shape: Synthetic(shape, COUNT) for shape in shapes}) as gcs:
        parts = urlsplit(gcs.endpoint)
        connection = HTTPConnection(parts.hostname or "", parts.port)
        for shape in shapes:
            synthetic = Synthetic(shape, COUNT)
            for position in (0, COUNT // 3, COUNT - 1):
                name = synthetic.name_at(position)
                connection.request(
                    "GET", f"/storage/v1/b/{shape}/o?maxResults=5000&fields={FIELDS}&startOffset={quote(name)}"
                )
                page = connection.getresponse().read().decode()
                assert page.count('"name"') == min(5000, COUNT - position)
                assert f'"name":"{name}"' in page
                connection.request("GET", f"/storage/v1/b/{shape}/o/{quote(name, safe='')}?alt=media")
                assert connection.getresponse().read() == synthetic.content(name)
        connection.close()
        status = Path(f"/proc/{gcs.pid}/status").read_text(encoding="ascii")
    peak_kb = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
    assert peak_kb < LIMIT_KB


@pytest.mark.parametrize("shape", get_args(ShapeName))
def test_a_namespace_is_listed_to_its_end(shape: ShapeName) -> None:
    synthetic = Synthetic(shape, 12_345)
    with Emulator(buckets={"box": synthetic}) as gcs:
        from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415
        from google.cloud import storage  # noqa: PLC0415

        client = storage.Client("p", AnonymousCredentials(), client_options={"api_endpoint": gcs.endpoint})
        listed = [blob.name for blob in client.list_blobs("box", page_size=5000, fields="items(name),nextPageToken")]
        client.close()
        assert gcs.requests()["list"] == 3
    assert listed == synthetic.names()
