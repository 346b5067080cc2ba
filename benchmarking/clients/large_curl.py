"""Download large objects with the command curl: to /dev/null, or to files."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

from benchmarking.clients._large import Span, edges_of_files, spans_of, tell_edges
from benchmarking.clients._timing import Task, read_task, tell, time_call

MISSING = "there is no curl on this machine, and nothing to compare with; install it, as by `apt-get install curl`"


def main() -> None:
    """Time one command for all objects, its start included."""
    task = read_task()
    curl = shutil.which("curl")
    if curl is None:
        raise SystemExit(MISSING)
    spans = spans_of(task)
    with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile("w", suffix=".curl") as config:
        config.write("next\n".join(transfer(task, span, folder) for span in spans))
        config.flush()
        command = [curl, "--parallel", "--parallel-immediate", "--parallel-max", str(task["parallelism"])]
        timed = time_call(
            lambda: subprocess.run([*command, "--config", config.name], stdout=subprocess.PIPE, text=True, check=True)
        )
        if task["variant"] == "files":
            tell_edges(timed, edges_of_files(task, folder))
        else:
            # Of what went to /dev/null only curl's own word is left.
            tell(timed, len(task["objects"]), sum(map(int, timed.value.stdout.split())), "")


def transfer(task: Task, span: Span, folder: str) -> str:
    """Write one transfer as curl's configuration has it."""
    path = f"/download/storage/v1/b/{task['bucket']}/o/{quote(span.name, safe='')}?alt=media"
    options = {
        "url": task["endpoint"] + path,
        "output": str(Path(folder, span.name)) if task["variant"] == "files" else "/dev/null",
        "write-out": "%{size_download}\\n",
    }
    if not span.is_whole:
        options["range"] = f"{span.start}-{span.stop - 1}"
    if task["authority"]:
        options["cacert"] = task["authority"]
    lines = [f'{name} = "{value}"\n' for name, value in options.items()]
    return "".join([*lines, "fail\n", "no-progress-meter\n", "http1.1\n"])


if __name__ == "__main__":
    main()
