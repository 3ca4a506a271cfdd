#!/bin/sh
# Makes sure that the TURN clients are there with which the relay is tested, as
# scripts/need.sh does. Debian's coturn is a server too and runs once installed:
# where it was not there before it is stopped, and stays so.
set -eu
cd "$(dirname "$0")/.."

was_there=$(command -v turnserver || true)
scripts/need.sh ip:iproute2 turnutils_uclient:coturn stun:stun-client python3:python3 go:golang-go
if [ -z "$was_there" ]; then
    systemctl disable --now coturn >/dev/null 2>&1 || service coturn stop >/dev/null 2>&1 || true
fi

# A module of Debian's python3, whatever else is called so on the PATH.
if ! /usr/bin/python3 -c 'import aioice' 2>/dev/null; then
    scripts/need.sh 'aioice as a module of python3:python3-aioice' 2>/dev/null || true
fi
if ! /usr/bin/python3 -c 'import aioice' 2>/dev/null; then
    echo 'missing: aioice (package: python3-aioice)' >&2
    exit 1
fi

# Sources for Go, out of which the tests make a program.
pion=/usr/share/gocode/src/github.com/pion/turn/v2/examples/turn-client
if [ ! -d "$pion" ]; then
    scripts/need.sh 'pion for Go:golang-github-pion-turn.v2-dev' 2>/dev/null || true
fi
if [ ! -d "$pion" ]; then
    echo 'missing: pion for Go (package: golang-github-pion-turn.v2-dev)' >&2
    exit 1
fi
