#!/bin/sh
# Says by name which optional parts of the test suite will run here, and installs what apt-get can give.
# Nothing is skipped silently: with CI=true a missing part fails the suite (see tests/conftest.py).
set -eu
if ! command -v npm >/dev/null 2>&1; then
    if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        echo "tests: installing nodejs and npm with apt-get (for the client jsforce and the Salesforce components)"
        { apt-get install -y -q nodejs npm || { apt-get update -q && apt-get install -y -q nodejs npm; }; } >/dev/null 2>&1 ||
            echo "tests: could not install them"
    fi
fi
command -v npm >/dev/null 2>&1 && echo "tests: node $(node --version): jsforce journeys run" || echo "tests: no npm here: jsforce journeys are skipped"
.venv/bin/python - <<'P'
import os, psycopg
url = os.environ.get("REBATES_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
try:
    with psycopg.connect(url, connect_timeout=2) as c:
        print(f"tests: PostgreSQL {c.info.server_version // 10000}: store tests run on it too")
except psycopg.OperationalError:
    print("tests: no PostgreSQL on 127.0.0.1:5432: its store tests are skipped")
P
