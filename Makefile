# Run `make help` for what there is.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test sim soak build deb bench fuzz check client tools clean

# Further flags for `make run`, for example ARGS="--https 127.0.0.1:9443".
ARGS ?=
# The seed that `make sim` replays.
SEED ?= 1
# How long `make fuzz` gives each target.
FUZZ_SECONDS ?= 30

CLIENT_SOURCES := $(shell find client-web \
	\( -name node_modules -o -name dist -o -name paraglide \) -prune -o -type f -print)
CLIENT_TOOLS := client-web/node_modules/.installed
BROWSER_TOOLS := tests/browser/node_modules/.installed-lock.json

help:
	@echo 'make run      build everything and serve a meeting on this machine (ARGS="..." for flags)'
	@echo 'make test     every test: Rust, client, browsers; ends with the totals'
	@echo 'make sim      one scenario run again on the virtual clock (SEED=6)'
	@echo 'make soak     the long versions: ten million random steps, two hundred crashes'
	@echo 'make check    formatting, lints, documentation, licences'
	@echo 'make build    the release binary: target/release/conclave'
	@echo 'make deb      the package for Debian and Ubuntu: target/debian/conclave_*.deb'
	@echo 'make bench    measure the media core, the control plane, the relay and the API'
	@echo 'make fuzz     throw bytes at every parser (FUZZ_SECONDS=30 each)'
	@echo 'make clean    remove what was built'

run: tools client
	cargo build --locked --bin conclave
	@exec target/debug/conclave serve --dev $(ARGS)

test:
	@exec node scripts/test.mjs

sim: tools
	SEED=$(SEED) cargo test --locked -p conclave-tests --test scenarios

# Some twenty minutes on two cores, and an hour of requests to the API. The tests of the server open its pages.
soak: tools client
	PROPTEST_CASES=20000 cargo test --locked -p conclave-signalling-core --lib authority
	CONCLAVE_MODEL_STEPS=10000000 cargo test --locked -p conclave-signalling-core --test model
	CONCLAVE_SOAK=1 cargo test --locked -p conclave --test crash
	CONCLAVE_SOAK=1 cargo test --locked -p conclave-turn-core --test server -- model day
	CONCLAVE_SOAK=1 cargo test --locked -p conclave-tests --test moderation races
	CONCLAVE_SOAK=1 node scripts/test.mjs relay api

build: tools client
	cargo build --locked --release --bin conclave

deb: build
	@scripts/need-cargo.sh cargo-deb
	scripts/package.sh target/release/conclave target/package
	cargo deb --locked --package conclave --no-build

bench: build
	cargo bench --locked -p conclave-tests --bench sfu
	cargo bench --locked -p conclave-tests --bench forward
	cargo bench --locked -p conclave-tests --bench signalling
	cargo bench --locked -p conclave-turn-core --bench costs
	@scripts/need-turn-clients.sh || true
	cargo bench --locked -p conclave-tests --bench turn
	cargo bench --locked -p conclave-tests --bench api
	cargo build --release --locked -p conclave-loadtest
	cargo bench --locked -p conclave-tests --bench beside

fuzz: tools
	@scripts/need-cargo.sh cargo-fuzz
	fuzz/run.sh $(FUZZ_SECONDS)

check: tools $(CLIENT_TOOLS) $(BROWSER_TOOLS)
	@exec scripts/check.sh

clean:
	cargo clean
	rm -rf client-web/dist client-web/node_modules tests/browser/node_modules tests/browser/out

# A C compiler: the linker of Rust, and for the cryptography.
tools:
	@scripts/need.sh cc:gcc cc:libc6-dev

client: client-web/dist/index.html

client-web/dist/index.html: $(CLIENT_TOOLS) $(CLIENT_SOURCES)
	cd client-web && npm run --silent build
	@touch $@

$(CLIENT_TOOLS): client-web/package-lock.json
	cd client-web && npm ci --no-audit --no-fund
	@touch $@

# The same mark that tests/browser/run.sh leaves.
$(BROWSER_TOOLS): tests/browser/package-lock.json
	cd tests/browser && npm ci --ignore-scripts --no-audit --no-fund
	@cp $< $@
