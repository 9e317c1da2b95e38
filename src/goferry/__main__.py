"""Entry point. `--version` is answered before anything is imported."""

import gc
import sys


def main() -> None:
    """Run the command line and exit with its documented code."""
    if sys.argv[1:] == ["--version"]:
        from goferry import __version__

        sys.stdout.write(f"goferry {__version__}\n")
        return
    gc.set_threshold(50_000)  # what is imported stays: a build with nothing to do looked for garbage in it 45 times
    from goferry.cli.main import run

    code = run(sys.argv[1:])
    gc.freeze()  # nor is it looked through once more before the system takes all memory back
    sys.exit(code)


if __name__ == "__main__":
    main()
