"""Start the command `dataflux` as `python -m dataflux_core`."""

from dataflux_core.cli import main

if __name__ == "__main__":
    main()
