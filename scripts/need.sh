#!/bin/sh
# Makes sure that commands are there: need.sh COMMAND:PACKAGE...
#
# Packages of missing commands are installed with apt, as root or by sudo.
# Where that is not possible, says what is missing and ends with status 1.
set -u

missing_commands=''
packages=''
for pair in "$@"; do
    command=${pair%%:*}
    command -v "$command" >/dev/null 2>&1 && continue
    missing_commands="$missing_commands $command"
    packages="$packages ${pair#*:}"
done
[ -n "$packages" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    as_root='false'
elif [ "$(id -u)" = 0 ]; then
    as_root='env DEBIAN_FRONTEND=noninteractive'
elif [ -t 0 ] && command -v sudo >/dev/null 2>&1; then
    as_root='sudo env DEBIAN_FRONTEND=noninteractive'
elif command -v sudo >/dev/null 2>&1; then
    # Nobody is there to type a password.
    as_root='sudo -n env DEBIAN_FRONTEND=noninteractive'
else
    as_root='false'
fi

if [ "$as_root" != 'false' ]; then
    echo "installing:$packages" >&2
    # shellcheck disable=SC2086 # both are lists of words
    $as_root apt-get update -q >&2 &&
        $as_root apt-get install -y -q --no-install-recommends $packages >&2
fi

status=0
for command in $missing_commands; do
    command -v "$command" >/dev/null 2>&1 && continue
    status=1
done
[ $status = 0 ] || echo "missing:$missing_commands (packages:$packages)" >&2
exit $status
