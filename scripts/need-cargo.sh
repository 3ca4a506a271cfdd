#!/bin/sh
# Makes sure that programs of cargo are there: need-cargo.sh PROGRAM...
# What is missing is built from the registry, which takes minutes once.
set -eu
for program in "$@"; do
    command -v "$program" >/dev/null 2>&1 && continue
    echo "installing: $program" >&2
    cargo install --locked --quiet "$program"
done
