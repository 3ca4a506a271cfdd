#!/bin/sh
# Runs the browser tests: real headless browsers against the real server.
#
#   run.sh [FILE...]      the test files to run, all of them by default
#
# CONCLAVE_BIN   the server (default: the debug build of this checkout)
# CONCLAVE_TEST_OUT   where screenshots and logs of the server go (default: out)
# CHROMIUM, FIREFOX   the browsers (default: those on the PATH)
#
# As root everything runs in a throw-away network namespace with no way out, so that a request to
# a foreign host cannot succeed unseen. Firefox needs it besides: it pairs no media address with
# 127.0.0.1, and the namespace has 10.99.0.1. Without root its tests are skipped.
set -eu
cd "$(dirname "$0")"

for tool in node npm curl jq "${CHROMIUM:-chromium}" "${FIREFOX:-firefox-esr}" ip; do
  command -v "$tool" >/dev/null || { echo "browser tests: $tool is missing" >&2; exit 2; }
done
CONCLAVE_BIN=${CONCLAVE_BIN:-$(cd ../.. && pwd)/target/debug/conclave}
[ -x "$CONCLAVE_BIN" ] || { echo "browser tests: no server at $CONCLAVE_BIN (cargo build -p conclave)" >&2; exit 2; }
export CONCLAVE_BIN

installed=node_modules/.installed-lock.json
if ! cmp -s package-lock.json "$installed"; then
  npm ci --ignore-scripts
  cp package-lock.json "$installed"
fi

[ $# -gt 0 ] || set -- *.test.mjs
CONCLAVE_TEST_OUT=${CONCLAVE_TEST_OUT:-$PWD/out}
export CONCLAVE_TEST_OUT
rm -rf "$CONCLAVE_TEST_OUT"
mkdir -p "$CONCLAVE_TEST_OUT"
set -- node --test --test-concurrency=1 --test-reporter=spec "$@"

namespace=conclave-tests-$$
if [ "$(id -u)" != 0 ] || ! ip netns add "$namespace"; then
  echo 'browser tests: no network namespace without root, so the tests with Firefox are skipped' >&2
  exec "$@"
fi
trap 'ip netns del "$namespace"' EXIT
trap 'exit 130' INT TERM
ip -n "$namespace" link set lo up
# A veth pair with both ends here: not every kernel has dummy devices.
ip -n "$namespace" link add v0 type veth peer name v1
# No link-local addresses: they would appear seconds later, and browsers drop requests at each change.
ip -n "$namespace" link set v0 addrgenmode none
ip -n "$namespace" link set v1 addrgenmode none
ip -n "$namespace" addr add 10.99.0.1/24 dev v0
ip -n "$namespace" link set v0 up
ip -n "$namespace" link set v1 up
# Firefox asks the routing table which address it would use; nothing answers at the other end.
ip -n "$namespace" route add default dev v0
ip netns exec "$namespace" env CONCLAVE_TEST_FIREFOX=1 "$@"
