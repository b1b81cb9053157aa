#!/bin/sh
# Everything that shows the Salesforce package to work without an org: metadata, lint, component tests, browser.
#
#   PYTHON=.venv/bin/python salesforce/check.sh [--pictures DIR]
#
# What is missing is installed (npm ci; Chromium by apt-get where this is allowed). What cannot be had is skipped by
# name, and fails when CI=true. The browser also shows what a real sync into the org emulator wrote. --pictures keeps
# the pictures there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
python=${PYTHON:-python3}
case $python in */*) python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python") ;; esac
pictures=
skipped=
while [ $# -gt 0 ]; do
    case $1 in
        --pictures) mkdir -p "$2" && pictures=$(cd "$2" && pwd) ;;
        *) echo "check.sh: unknown option $1" >&2 && exit 2 ;;
    esac
    shift 2
done

step() { printf '\n== %s\n' "$1"; }
skip() {
    if [ "${CI:-}" = true ]; then
        echo "failed: $1 (nothing is skipped when CI=true)" >&2
        exit 1
    fi
    echo "skipped: $1"
    skipped=yes
}
finish() {
    if [ -n "$skipped" ]; then printf '\nsalesforce: good as far as it was looked at\n'; else printf '\nsalesforce: all good\n'; fi
    exit 0
}

step "metadata: schema and references"
(cd "$root" && "$python" -m salesforce.tools.metadata_check)

cd "$here"
if ! command -v npm >/dev/null 2>&1; then
    skip "schema, lint, component tests, browser: Node.js with npm is not installed"
    finish
fi
step "tools"
if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    if ! npm ci --no-audit --no-fund --loglevel=error; then
        skip "schema, lint, component tests, browser: npm ci failed, is the registry reachable?"
        finish
    fi
fi
echo "node $(node --version), $(ls node_modules | wc -l) packages"

step "schema: is what the published types say"
(cd "$root" && "$python" -m salesforce.tools.metadata_check.extract_schema --check \
    salesforce/node_modules/@salesforce/types/lib/metadata.d.ts)

step "lint"
npx --no-install eslint . && echo "clean"

step "component tests"
npx --no-install sfdx-lwc-jest

step "browser"
browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
if [ -z "$browser" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-liberation; } >/dev/null 2>&1 ||
        echo "apt-get could not install chromium" >&2
    browser=$(command -v chromium || true)
fi
if [ -z "$browser" ]; then
    skip "browser: no Chromium (set CHROMIUM, or apt-get install chromium)"
    finish
fi
npx --no-install rollup --config tools/browser/rollup.config.mjs --silent
(cd "$root" && "$python" -m salesforce.tools.synced_records salesforce/build/synced)
echo "package deployed into the org emulator and synced"
node tools/browser/check.mjs --browser "$browser" --synced build/synced ${pictures:+--keep "$pictures"}
finish
