#!/bin/sh
# Everything that can be wrong without running: formatting, lints, documentation,
# licences. Runs all of it and ends with an error if anything was found. A tool
# that is missing and cannot be installed is named, not passed over in silence.
set -u
cd "$(dirname "$0")/.." || exit 1

failed=''
missing=''

# step NAME COMMAND...
step() {
    name=$1
    shift
    printf '== %s\n' "$name"
    "$@" || failed="$failed, $name"
}


documentation() {
    RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps --document-private-items --quiet
}

step 'Rust formatting' cargo fmt --all --check
step 'Rust lints' cargo clippy --locked --workspace --all-targets --quiet -- -D warnings
# Not among all targets, because no plain `cargo test` may run them.
step 'Rust lints: tests with programs of others' cargo clippy --locked -p conclave-tests --test turn --test proxies --quiet -- -D warnings
step 'Rust documentation' documentation
step 'fuzz targets: formatting' cargo fmt --manifest-path fuzz/Cargo.toml --check
step 'fuzz targets: lints' cargo clippy --manifest-path fuzz/Cargo.toml --locked --quiet -- -D warnings
step 'client: formatting' npm --prefix client-web run --silent lint
step 'client: types' npm --prefix client-web run --silent check
step 'browser tests: formatting' npm --prefix tests/browser run --silent lint
step 'images' node scripts/check-images.mjs

if scripts/need-cargo.sh cargo-deny; then
    step 'licences, sources, bans' cargo deny --locked --log-level error check licenses sources bans
    # The list of advisories is fetched; without a network this is no finding.
    if cargo deny --locked --log-level error fetch db >/dev/null 2>&1; then
        step 'advisories' cargo deny --locked --log-level error check advisories
    else
        missing="$missing, the list of advisories"
    fi
else
    missing="$missing, cargo-deny"
fi

if scripts/need.sh shellcheck:shellcheck; then
    step 'shell scripts' shellcheck .ci/run scripts/*.sh fuzz/run.sh tests/browser/run.sh server/package/debian/*
else
    missing="$missing, shellcheck"
fi

echo
[ -z "$missing" ] || echo "not checked, because it is missing: ${missing#, }"
if [ -n "$failed" ]; then
    echo "found something: ${failed#, }"
    exit 1
fi
echo 'nothing found'
