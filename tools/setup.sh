#!/bin/sh
# Builds the virtual environment from requirements/dev.txt (hashed). Says what it installs.
set -eu
PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv}

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup: Python 3.11 or newer is needed; $("$PYTHON" --version) was found. Try: make PYTHON=python3.12 setup" >&2
    exit 1
}
if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "setup: installing python3-venv with apt-get"
    apt-get install -y -q python3-venv || { apt-get update -q && apt-get install -y -q python3-venv; }
fi
if [ ! -x "$VENV/bin/python" ]; then
    echo "setup: making $VENV with $("$PYTHON" --version)"
    "$PYTHON" -m venv "$VENV"
fi
echo "setup: installing what requirements/dev.txt pins"
"$VENV/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
"$VENV/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
echo "setup: ready"
