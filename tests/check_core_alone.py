"""Use this package where nothing is installed but its core: `make test-core`.

Run with the development environment's interpreter it starts an emulator, then runs itself with the interpreter named
on the command line, which must have no extra.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

EXTRAS = (
    *("pyarrow", "click", "uvloop", "numpy", "matplotlib", "torch", "PIL", "av", "obstore", "gcsfs", "yaml"),
    "pytest",
)


def main() -> None:
    """Be the one or the other."""
    if len(sys.argv) > 1:
        serve(sys.argv[1])
    else:
        use_the_core()


def serve(interpreter: str) -> None:
    emulator = import_module("dataflux_core.emulator")
    with emulator.Emulator(buckets={"demo": emulator.Synthetic("imagenet", 1000)}) as gcs:
        environ = {**os.environ, **gcs.environ}
        environ.pop("PYTHONPATH", None)
        ran = subprocess.run([interpreter, __file__], env=environ, check=False)
    sys.exit(ran.returncode)


def use_the_core() -> None:
    present = [name for name in EXTRAS if find_spec(name)]
    if present:
        raise SystemExit(f"this environment has {present}; it should have the core alone")
    listing = import_module("dataflux_core.fast_list").ListingController(4, "p", "demo").listing()
    contents = import_module("dataflux_core.download").dataflux_download("p", "demo", listing)
    if [len(content) for content in contents] != listing.sizes:
        raise SystemExit("the core alone downloads something else than it lists")
    listing.to_csv(os.devnull)
    says_which_extra_it_needs(lambda: listing.to_parquet("never.parquet"), "arrow")
    controller = import_module("dataflux_core.fast_list").ListingController
    says_which_extra_it_needs(lambda: controller(4, "p", "demo", trace="never.png"), "trace")
    says_which_extra_it_needs(lambda: import_module("dataflux_core.streaming"), "streaming")
    says_which_extra_it_needs(lambda: import_module("dataflux_core.flare"), "flare")
    says_which_extra_it_needs(import_module("dataflux_core.decoders").Image, "image")
    says_which_extra_it_needs(import_module("dataflux_core.cli").main, "cli")
    says_which_extra_it_needs(import_module("dataflux_core.emulator").Emulator(buckets={}).start, "emulator")
    sys.stdout.write(f"the core alone listed and downloaded {len(listing)} objects\n")


def says_which_extra_it_needs(step: Callable[[], object], extra: str) -> None:
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            step()
    except (Exception, SystemExit) as error:
        if f"dataflux_core[{extra}]" not in str(error) + said.getvalue():
            raise SystemExit(f"{error!r} does not name the extra {extra}") from error
    else:
        raise SystemExit(f"the extra {extra} is not missing")


if __name__ == "__main__":
    main()
