"""Entry point. `--version` is answered before anything is imported."""

import sys


def main() -> None:
    """Run the command line and exit with its documented code."""
    if sys.argv[1:] == ["--version"]:
        from goferry import __version__

        sys.stdout.write(f"goferry {__version__}\n")
        return
    from goferry.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
