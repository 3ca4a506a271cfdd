#!/bin/sh
# Runs every fuzz target for some seconds: ./run.sh [SECONDS]. Needs a nightly
# toolchain and cargo-fuzz. Ends with an error at the first finding.
set -eu
cd "$(dirname "$0")"
seconds=${1:-10}
names=$(cargo +nightly fuzz list --fuzz-dir .)
for name in $names; do
    mkdir -p "corpus/$name"
    # The first folder takes new inputs, the second holds the committed seeds.
    cargo +nightly fuzz run --fuzz-dir . "$name" "corpus/$name" "seeds/$name" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=0
done
