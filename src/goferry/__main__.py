"""Entry point. `--version` is answered before anything is imported."""

import gc
import sys


def main() -> None:
    """Run the command line and exit with its documented code."""
    if sys.argv[1:] == ["--version"]:
        from goferry import __version__

        sys.stdout.write(f"goferry {__version__}\n")
        return
    gc.set_threshold(50_000)  # what is imported stays: to look for garbage in it 70 times is a fifth of our time
    from goferry.cli.main import run

    code = run(sys.argv[1:])
    gc.freeze()  # nor is it looked through once more before the system takes all memory back
    sys.exit(code)


if __name__ == "__main__":
    main()
