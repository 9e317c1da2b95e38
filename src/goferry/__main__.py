"""Entry point. `--version` is answered before anything is imported."""

import gc
import os
import sys


def main() -> None:
    """Run the command line and exit with its documented code."""
    if sys.argv[1:] == ["--version"]:
        from goferry import __version__

        sys.stdout.write(f"goferry {__version__}\n")
        return
    gc.set_threshold(50_000)  # what is imported stays: a build with nothing to do looked for garbage in it 45 times
    from goferry.cli.main import run

    sys.exit(run(sys.argv[1:]))


def script() -> None:
    """Be a process of its own: `main`, and at its end the system takes the memory back, not Python module by module."""
    code = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    if "threading" in sys.modules:
        import threading

        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
    import atexit

    atexit._run_exitfuncs()  # noqa: SLF001  there is no public way
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        code = code or 1  # a reader that went away, as of `goferry plan | head`
    os._exit(code)


if __name__ == "__main__":
    script()
