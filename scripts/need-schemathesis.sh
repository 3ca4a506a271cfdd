#!/bin/sh
# Makes sure that Schemathesis is there, in an environment of its own below target/, as
# tests/api/requirements.txt names it. Prints nothing if all is well.
set -eu
cd "$(dirname "$0")/.."

place=target/schemathesis
if cmp -s tests/api/requirements.txt "$place/.installed"; then
    exit 0
fi
scripts/need.sh python3:python3
# Debian's python3 can make no environment without this one.
if ! /usr/bin/python3 -c 'import ensurepip' 2>/dev/null; then
    scripts/need.sh 'ensurepip as a module of python3:python3-venv' 2>/dev/null || true
fi
rm -rf "$place"
if ! /usr/bin/python3 -m venv "$place" ||
    ! "$place/bin/pip" install --quiet --require-hashes --only-binary :all: -r tests/api/requirements.txt; then
    echo 'missing: schemathesis (a package of Python)' >&2
    exit 1
fi
cp tests/api/requirements.txt "$place/.installed"
