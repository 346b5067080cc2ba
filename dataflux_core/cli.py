"""Start the command `dataflux`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; end the process with its exit code."""
    try:
        from dataflux_core._cli.root import run  # noqa: PLC0415 - click is an extra
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.stderr.write("dataflux: the command needs an extra: pip install 'dataflux_core[cli]'\n")
        sys.exit(2)
    except KeyboardInterrupt:  # while that was imported; `run` sees to the rest
        sys.exit(130)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
