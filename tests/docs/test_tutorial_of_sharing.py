"""The tutorial on sharing does what it says, read from top to bottom by somebody who types it in."""

from __future__ import annotations

import json
import os
import re
import socket
from typing import TYPE_CHECKING

import pytest

from tests.docs.reader import Reader, steps_of
from tests.docs.test_documents import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs/tutorial/share-and-train.md"
KILLED_AT = 23
STEPS, EPOCHS = 95, 5


def with_free_ports(page: str) -> str:
    """Put free ports for those of the page, which may be another's.

    They lie below all that Linux gives to those who ask for any port: nobody else comes there by chance.
    """
    free = filter(is_free, range(20_000 + os.getpid() % 10_000, 32_000))
    ports = {port: str(next(free)) for port in ("8001", "8002")}
    return re.sub("8001|8002", lambda found: ports[found[0]], page)


def is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.mark.timeout(300)
def test_training_goes_on_when_its_server_is_killed(tmp_path: Path) -> None:
    page = with_free_ports(PAGE.read_text())
    for name, script in re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(script)
    reader = Reader(tmp_path)
    make, pack, copy, serve, mirror, verify, look, train, again = re.findall(r"^\$ (.*)$", page, flags=re.MULTILINE)
    reader.run(make)
    assert reader.run(pack).startswith("300 samples, 15 chunks")
    reader.run(copy)
    with reader.serving(serve, "playlist.yaml") as first, reader.serving(mirror, "playlist.yaml"):
        assert reader.run(verify).count("15 chunks, 1.6 MiB, all right") == 2
        reader.run(look)
        record = json.loads((tmp_path / "first.json").read_text())
        assert (record["id"], record["txt"]) == ("0000", "red")
        unbroken = reader.run(train).splitlines()
        assert len(steps_of(unbroken)) == STEPS
        broken = reader.seen(again, f"step {KILLED_AT} ", first.kill)
        assert broken == unbroken
        epochs = [line for line in broken if line.startswith("epoch ")]
        assert epochs == [f"epoch {number}: 300 different photographs" for number in range(EPOCHS)]
        losses = [float(line.split()[-1]) for line in steps_of(broken)]
        assert losses[-1] < losses[0] / 2
        from_mirror = (tmp_path / "train.py").read_text().replace(port_of(serve), port_of(mirror))
        (tmp_path / "train.py").write_text(from_mirror)
        assert reader.run(train).splitlines() == unbroken


def port_of(line: str) -> str:
    return line.rsplit(maxsplit=1)[-1]
