"""List a bucket one page after the other with google-cloud-storage."""

from __future__ import annotations

from google.cloud import storage

from benchmarking.clients._timing import read_task, tell_names, time_call

PAGE_OBJECTS = 5000  # five times the default, so that it makes as few calls as any
NARROW = "items(name,size),nextPageToken"


def main() -> None:
    """Time `list_blobs` with every field, or with the two that are wanted."""
    task = read_task()
    client = storage.Client("benchmark")
    fields = NARROW if task["variant"] == "narrow" else None

    def call() -> list[tuple[str, int]]:
        blobs = client.list_blobs(task["bucket"], page_size=PAGE_OBJECTS, fields=fields)
        return [(blob.name, blob.size) for blob in blobs]

    timed = time_call(call)
    tell_names(timed, timed.value)


if __name__ == "__main__":
    main()
