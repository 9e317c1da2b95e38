#!/usr/bin/env bash
# Usage: run.sh ACTION. Finds a Python that is new enough and starts the action in it; what follows is start.py's.
# The workspace and the caller's Python settings can't reach the interpreter: -I and -S. What PATH names is the caller's
# own: with a relative entry in it the runner finds bash, too, in the workspace.
set -euo pipefail
here=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd)

fits() { # The exit code alone counts: Windows' store stub prints nothing and has another one.
    "$1" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 11))' </dev/null >/dev/null 2>&1
}

find_python() {
    local candidate
    for candidate in "${GOFERRY_PYTHON:-}" python3 python \
        "${RUNNER_TOOL_CACHE:-/nonexistent}"/Python/3.1[1-9].*/*/bin/python3 \
        "${RUNNER_TOOL_CACHE:-/nonexistent}"/Python/3.1[1-9].*/*/python.exe; do
        if [ -n "$candidate" ] && fits "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
    return 1
}

if ! python=$(find_python); then
    # One line: %0A is a line break in an annotation.
    echo "::error title=python-missing::Goferry needs Python 3.11 or later, and this runner has none.%0ANothing was started.%0AAdd a step before:  - uses: actions/setup-python@v6  with: {python-version: '3.13', update-environment: false}%0AOr install it:  apt-get install python3 python3-pip"
    exit 2
fi
exec "$python" -I -S -X utf8 "$here/start.py" "$@"
