"""Start the command `dataflux`."""

from __future__ import annotations

import os
import sys
import warnings

__all__ = ["main"]


def main() -> None:
    """Run the command line; end the process with its exit code."""
    # Google's packages announce on stderr that they will drop Python 3.10; a command's stderr is for its own words.
    warnings.filterwarnings("ignore", "You are using a (non-supported )?Python version", FutureWarning)
    _replace_closed_streams()
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


def _replace_closed_streams() -> None:
    """Open something in place of each stream that the command was started without, as `>&-` does.

    Its number would else be given to the next file or connection. What is written to stdout shall fail, as it does to
    every other command, so nobody takes nothing for an answer; nobody hears what is said on stderr.
    """
    for name, access, mode in (("stdin", os.O_RDONLY, "r"), ("stdout", os.O_RDONLY, "w"), ("stderr", os.O_WRONLY, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, access), mode, encoding="utf-8"))


if __name__ == "__main__":
    main()
