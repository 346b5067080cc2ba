"""List a bucket with gcsfs, which asks for pages of 1000 one after the other."""

from __future__ import annotations

import gcsfs.core
from google.auth.credentials import AnonymousCredentials

from benchmarking.clients._timing import read_task, tell_names, time_call


def main() -> None:
    """Time its `find`."""
    task = read_task()
    # The class behind gcsfs.GCSFileSystem, which asks a gRPC service first whether a bucket has folders.
    files = gcsfs.core.GCSFileSystem(
        endpoint_url=task["endpoint"], token=AnonymousCredentials(), skip_instance_cache=True
    )
    bucket = task["bucket"]

    def call() -> list[tuple[str, int]]:
        found = files.find(bucket, detail=True)
        return [(path.removeprefix(f"{bucket}/"), item["size"]) for path, item in found.items()]

    timed = time_call(call)
    tell_names(timed, timed.value)


if __name__ == "__main__":
    main()
