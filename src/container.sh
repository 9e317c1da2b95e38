#!/usr/bin/env bash
# Usage: container.sh ACTION. The entry point of the Docker-based actions: run.sh within the container's limits.
set -euo pipefail
umask 022
# The home folder that the runner mounts belongs to another user and is the next step's as well.
export HOME=/tmp/goferry-home RUNNER_TEMP="${RUNNER_TEMP:-/tmp}"
mkdir -p "$HOME"
# git refuses a repository of another owner; this says for this process alone that the workspace is meant.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="${GITHUB_WORKSPACE:-/github/workspace}"
exec bash /goferry/src/run.sh "$@"
