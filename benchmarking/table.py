"""Write the latest answers of the benchmarks as the tables of docs/explanation/performance.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "explanation" / "performance.md"
RESULTS = ROOT / "benchmarking" / "results"
CALLS = ("read", "compose", "delete")
HEAD = """\
| client | seconds | times ours | client CPU, µs an object | server CPU, s | calls |
|---|---:|---:|---:|---:|---:|
"""


def main() -> None:
    """Replace what stands between the page's markers."""
    page = PAGE.read_text()
    for benchmark, table in TABLES.items():
        results = RESULTS / f"{benchmark}.jsonl"
        if not results.exists():
            continue  # nobody has asked yet: its place stays as it is
        answers = [json.loads(line) for line in results.read_text().splitlines()]
        latest = {(answer["command"], answer.get("case")): answer for answer in answers}
        tables = "\n".join(table(answer) for answer in latest.values())
        begin, end = f"<!-- {benchmark}: begin -->\n", f"<!-- {benchmark}: end -->"
        before, found, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            sys.exit(f"{PAGE} has no markers {begin.strip()} and {end}")
        page = f"{before}{begin}{tables}{end}{after}"
    PAGE.write_text(page)


def table_of(answer: dict[str, Any]) -> str:
    """Write one answer."""
    lines = [_row(label, took, answer) for label, took in answer["clients"].items()]
    return f"### {title_of(answer)}\n\n{_origin(answer)}\n\n{HEAD}{''.join(lines)}\n{_prediction(answer)}"


def _prediction(answer: dict[str, Any]) -> str:
    """Write what the simulator says of ours, where it was asked."""
    told = [
        f"{ranges} ranges: {said['calls']} calls"
        + (f", {said['seconds']} s (least: {said['least_seconds']:.2f} s)" if said["seconds"] else "")
        for ranges, said in answer.get("predicted", {}).items()
    ]
    return f"Predicted by the simulator: {'; '.join(told)}.\n\n" if told else ""


def stages_of(answer: dict[str, Any]) -> str:
    """Write where the time of an object goes."""
    rows = [f"| {stage} | {spent_ns:.0f} |\n" for stage, spent_ns in answer["stages"].items()]
    for form, run in answer["runs"].items():
        rows.append(f"| a whole listing of {answer['objects']:,}, as {form} | {run['least_cpu_ns_per_object']:.0f} |\n")
    return f"{_origin(answer)}\n\n| stage | client CPU, ns an object |\n|---|---:|\n{''.join(rows)}\n"


def forms_of(answer: dict[str, Any]) -> str:
    """Write what a large listing takes in each form."""
    rows = []
    for form, run in answer["forms"].items():
        exact = "" if run["exact"] else ", **not exact**"
        cpu_s, peak_mb = run["cpu_s"], run["peak_mb"]
        rows.append(
            f"| {form}{exact} | {run['seconds']:.1f} | {cpu_s['caller']:.1f} + {cpu_s['helpers']:.1f} "
            f"| {run['server_cpu_s']:.1f} | {peak_mb['caller']:,} + {peak_mb['helper']:,} | {run['calls']:,} |\n"
        )
    head = (
        "| form | seconds | CPU, s: caller + helper | server CPU, s | peak memory, MB: caller + helper | calls |\n"
        "|---|---:|---:|---:|---:|---:|\n"
    )
    return f"### {answer['objects']:,} names, without latency\n\n{_origin(answer)}\n\n{head}{''.join(rows)}\n"


def rates_of(answer: dict[str, Any]) -> str:
    """Write how near everyone comes to curl."""
    rows = []
    for label, took in answer["clients"].items():
        if "error" in took:
            rows.append(f"| {label} | failed | | | |\n")
            continue
        share = f"{answer['share_of_curl'][label]:.2f}" if answer["share_of_curl"] else "no curl"
        exact = "" if took["exact"] else ", **not exact**"
        rows.append(
            f"| {label}{exact} | {answer['mb_per_s'][label]:,.0f} | {share} "
            f"| {took['cpu_s']:.2f} | {took['server_cpu_s']:.2f} |\n"
        )
    head = "| client | MB/s | of curl's best | client CPU, s | server CPU, s |\n|---|---:|---:|---:|---:|\n"
    return f"### {title_of(answer)}, to {answer['to']}\n\n{_origin(answer)}\n\n{head}{''.join(rows)}\n"


def cases_of(answer: dict[str, Any]) -> str:
    """Write what one object read costs in each case."""
    rows = [
        f"| {case} | {took['least_us']:.1f} | {took['median_us']:.1f} | {took['first_us']:.1f} "
        f"| {took['server_us']:.1f} |\n"
        for case, took in answer["cases"].items()
    ]
    head = (
        "| case | client CPU, µs an object: least | median | first run, which opens connections | server CPU, µs |\n"
        "|---|---:|---:|---:|---:|\n"
    )
    return f"{_origin(answer)}\n\n{head}{''.join(rows)}\n"


def samples_of(answer: dict[str, Any]) -> str:
    """Write what a training loop gets from each client."""
    rows = []
    for label, took in answer["clients"].items():
        if "error" in took:
            rows.append(f"| {label} | failed | | | | |\n")
            continue
        exact = "" if took["exact"] and took.get("exactly_once", True) else ", **not each sample once**"
        rows.append(
            f"| {label}{exact} | {took['median_per_s']:,.0f} | {took['later_per_s']:,.0f} "
            f"| {took['first_batch_s']:.2f} | {took['cpu_us_per_sample']:,.0f} | {took['peak_mb']:,.0f} |\n"
        )
    head = (
        "| client | samples/s | after its first batches | first batch, s | CPU, µs a sample | peak memory, MB |\n"
        "|---|---:|---:|---:|---:|---:|\n"
    )
    decoded = (
        "pictures, decoded to 224 by 224" if answer["kind"] == "jpeg" else f"files of {answer['object_bytes']:,} bytes"
    )
    part = f", the first {answer['batches']} batches" if answer["batches"] else ""
    title = f"{answer['samples']:,} {decoded}, {answer['read_ms']:.0f} ms a read{part}"
    return f"### {title}\n\n{_origin(answer)}\n\n{head}{''.join(rows)}\n"


def case_of(answer: dict[str, Any]) -> str:
    """Write what a large index costs in one case."""
    told = {key: value for key, value in answer.items() if key not in {"question", "command", "case", "host"}}
    figures = [f"{key} {value:,.3g}" if isinstance(value, float) else f"{key} {value:,}" for key, value in told.items()]
    return f"- {answer['case']}: {', '.join(figures)}. {_origin(answer)}\n"


def streams_of(answer: dict[str, Any]) -> str:
    """Write how near the streaming of a playlist comes to curl, on this machine and far away."""
    tables = []
    far = f"{answer['round_trip_ms']:.0f} ms away"
    for run, chunks, where in (("near", "chunks", "without latency"), ("far", "far_chunks", far)):
        title = f"{answer[chunks]:,} chunks of {answer['chunk_bytes']:,} bytes, {where}"
        exact = "" if answer[run]["exact"] else ", **not exact**"
        rows = [
            f"| {label}{exact if label.startswith('ours') else ''} | {took['mb_per_s']:,.0f} "
            f"| {took['share_of_curl']:.2f} | {took['cpu_s']:.2f} |\n"
            for label, took in answer[run]["clients"].items()
        ]
        head = "| client | MB/s | of curl's best | client CPU, s |\n|---|---:|---:|---:|\n"
        tables.append(f"### {title}\n\n{_origin(answer)}\n\n{head}{''.join(rows)}\n")
    return f"{''.join(tables)}{_small_reads(answer, far)}\n"


def chunks_of(answer: dict[str, Any]) -> str:
    """Write what a sample of a chunk costs in each case."""
    rows = [
        f"| {case}{'' if took['exact'] else ', **not each once**'} | {took['per_s']:,} "
        f"| {took['cpu_us_per_sample']:.0f} | {took['requests']:,} | {took['peak_mb']:,} |\n"
        for case, took in answer["cases"].items()
    ]
    head = "| case | samples/s | CPU, µs a sample | requests | peak memory, MB |\n|---|---:|---:|---:|---:|\n"
    title = f"{answer['chunks']:,} chunks of {answer['chunk_bytes']:,} bytes, records of {answer['record_bytes']:,}"
    return f"### {title}\n\n{_origin(answer)}\n\n{head}{''.join(rows)}\n"


def _small_reads(answer: dict[str, Any], far: str) -> str:
    small = answer["random_reads_per_s"]
    exact = "" if small["exact"] else " (**not exact**)"
    reads = f"{small['per_s']:,} a second{exact}, {small['in_flight']} in flight, without latency"
    trips = [f"{label} {count:.2f}" for label, count in answer["first_record_round_trips"].items()]
    peaks = [f"{label} {peak} MB" for label, peak in answer["peak_mb"].items()]
    return (
        f"- Reads of {small['bytes']:,} bytes at random: {reads}.\n"
        f"- Round trips to the first record, {far}: {', '.join(trips)}.\n"
        f"- Peak of memory: {', '.join(peaks)}.\n"
    )


def _origin(answer: dict[str, Any]) -> str:
    host = answer["host"]
    return f"`{answer['command']}` (commit {host['commit']}, {host['cores']} cores, Python {host['python']})"


def title_of(answer: dict[str, Any]) -> str:
    """Say under which conditions the question was asked."""
    if "object_bytes" not in answer:
        latency = "latency of Cloud Storage" if answer["list_ms"] else "without latency"
        return f"{answer['objects']:,} names, {latency}"
    waits = [f"{answer[f'{call}_ms']:.0f} ms a {call}" for call in CALLS if answer.get(f"{call}_ms")]
    over = ", over TLS" if answer.get("tls") else ""
    return f"{count_of(answer)} of {answer['object_bytes']:,} bytes{over}, {', '.join(waits) or 'without latency'}"


def count_of(answer: dict[str, Any]) -> str:
    """Say how many objects there are."""
    return "One object" if answer["objects"] == 1 else f"{answer['objects']:,} objects"


def _row(label: str, took: dict[str, Any], answer: dict[str, Any]) -> str:
    if "error" in took:
        return f"| {label} | failed | | | | |\n"
    (ratios,) = answer["times_slower_than"].values()
    ratio = ratios.get(label, 1.0)
    calls = sum(
        count for operation, count in took["calls"].items() if operation != "delete" or "batch" not in took["calls"]
    )
    exact = "" if took["exact"] else ", **not exact**"
    return (
        f"| {label}{exact} | {took['median_s']:.3f} | {ratio:.2f} | {took['cpu_us_per_object']:.1f} "
        f"| {took['server_cpu_s']:.2f} | {calls:,} |\n"
    )


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "list_bucket": table_of,
    "list_eighteen_million": forms_of,
    "listing_profile": stages_of,
    "download_objects": table_of,
    "download_large": rates_of,
    "reading_profile": cases_of,
    "stream_samples": samples_of,
    "stream_index": case_of,
    "stream_flare": streams_of,
    "stream_chunks": chunks_of,
}

if __name__ == "__main__":
    main()
