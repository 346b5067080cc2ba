"""Start the command `dataflux`."""

from __future__ import annotations

import sys
import warnings

__all__ = ["main"]


def main() -> None:
    """Run the command line; end the process with its exit code."""
    # Google's packages announce on stderr that they will drop Python 3.10; a command's stderr is for its own words.
    warnings.filterwarnings("ignore", "You are using a (non-supported )?Python version", FutureWarning)
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
