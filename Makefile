# What people and CI run. `make help` lists it.
#
# Everything uses the dev profile and the same set of features, so that the dependencies are
# compiled once for the demo and the tests (docs/decisions/0005-one-build.md).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

TARGET := $(or $(CARGO_TARGET_DIR),target)
export TWINSTORE_BIN := $(abspath $(TARGET))/debug/twinstore

.PHONY: python-versions python-ecosystem python-torch clients clients-quick buckets fuzz deploy-check deploy-quick upgrade-check drills sbom audit release-check bench-python bench-feast attack pages-check bench-pages incidents python-test wheel bench-parity bench-versions openlineage without-faults bench-flights bench-load bench-redis bench-stream bench-tier help demo build test check checked-build fmt fmt-check clippy deny docs reference docs-check shell-check style tour bench-join feast-client bench-online stream-demo faults batch-faults

help: ## list what can be made
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

demo: build ## the whole path on a year of real flights, in under a minute after the build
	@scripts/demo

build: ## the binary and the Python extension, with the features that the tests use
	cargo build --locked --workspace --lib --bins

# Most tests wait for processes, disks and timers.
test: export RUST_TEST_THREADS ?= $(shell echo $$((2 * $$(nproc))))
test: ## all tests; installs what they need
	scripts/install-test-needs
	cargo build --locked --workspace --lib --bins
	cargo test --locked --workspace --config 'target."cfg(unix)".runner = ["$(abspath scripts/run-test)"]'
	scripts/python -m pytest sdk/python

# Lints and API documentation come with the one build that everything else uses (scripts/checked-rustc).
check: export RUSTC_WORKSPACE_WRAPPER := $(abspath scripts/checked-rustc)
check: export CLIPPY_ARGS := -Dwarnings__CLIPPY_HACKERY__
# What incremental compilation keeps for a next build, a first one only pays for.
check: export CARGO_INCREMENTAL ?= 0
check: fmt-check deny checked-build docs-check shell-check sbom test deploy-quick demo tour openlineage feast-client clients-quick ## all that CI runs

checked-build:
	cargo build --locked --workspace --all-targets

fmt: ## format the code
	cargo fmt --all

fmt-check:
	cargo fmt --all --check

clippy: ## lints, with warnings denied
	cargo clippy --locked --workspace --all-targets -- -D warnings

deny: ## licences, sources and versions of dependencies
	scripts/cargo-deny --locked check bans licenses sources

docs: ## the API documentation, with warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --workspace

reference: build ## write the generated pages of docs/ again
	scripts/reference write

openlineage: build ## events of lineage are as the published schemas say
	scripts/check-openlineage

docs-check: build ## the generated pages of docs/ say what the code says
	scripts/reference check

shell-check: ## the scripts parse; shellcheck reads them where it is installed
	scripts/check-scripts

deploy-check: build ## units, image, chart, manifests and compose file of deploy/, with the tools that read them
	scripts/check-deploy $(ARGS)

# What needs neither buildah nor Go.
deploy-quick: build
	scripts/check-deploy --quick

sbom: ## a bill of materials (CycloneDX) of the binary in target/twinstore.cdx.json, checked to be complete
	scripts/sbom check
	scripts/sbom write $(TARGET)/twinstore.cdx.json

audit: ## published advisories about dependencies; DB=FOLDER is a clone of RustSec's advisory-db
	scripts/audit $(DB)

release-check: ## a release build gives the same bytes in two folders: two whole builds; PACKAGE=… for one small crate
	scripts/release check $(PACKAGE)

upgrade-check: build ## a server replaced by another binary under steady reads and pushes, and back; OLD=BINARY NEW=BINARY
	OLD=$(OLD) NEW=$(NEW) scripts/check-upgrade $(ARGS)

drills: build ## disasters on a real project, and what ends each; ARGS="DRILL…"
	scripts/drills $(ARGS)

python-test: build ## the tests of the Python package alone; ARGS="-k NAME"
	scripts/install-test-needs
	scripts/python -m pytest sdk/python $(ARGS)

python-versions: build ## tests of the Python package on Python 3.11 to 3.13, with pandas 2 and 3; ARGS="-k NAME"
	scripts/python-versions $(ARGS)

python-ecosystem: export PYTHON_NEEDS := ecosystem
python-ecosystem: build ## LightGBM, XGBoost, MLflow, dbt, Great Expectations and Jupyter with the Python package; an environment of 1.5 GB
	scripts/python install
	scripts/python -m pytest -q examples/ecosystem --ignore examples/ecosystem/pytorch $(ARGS)

python-torch: export PYTHON_NEEDS := torch
python-torch: build ## PyTorch with the Python package; an environment of 6 GB
	scripts/python install
	scripts/python -m pytest -q examples/ecosystem/pytorch $(ARGS)

wheel: ## the Python package as a wheel, with the release profile, in target/wheels
	scripts/wheel

style: ## only the style test
	cargo test --locked --workspace style::

tour: build ## run the commands of README.md, docs/how-to and docs/operating
	scripts/tour

feast-client: build ## Feast's own client reads from a server and writes to it, every value compared with pandas
	benches/online/feast-client/run

clients: build ## the example clients in Rust, Go, Java and Node.js read what the command reads; ARGS="go"
	examples/clients/check $(ARGS)

# What needs no other compiler.
clients-quick: build
	examples/clients/check rust node

stream-demo: build ## a month of landings through Kafka into both stores, read while it runs
	@scripts/stream-demo

faults: build ## streams over a real broker, killed, put to sleep and cut off; ARGS="TIMES CLICKS SEED FAULT…"; then batch-faults
	scripts/install-test-needs
	$(TARGET)/debug/faults $(ARGS)
	$(TARGET)/debug/batch-faults $(BATCH)

without-faults: build ## a binary of `twinstore-cli` alone ignores the variables of fault injection
	scripts/without-faults

pages-check: build ## every kind of page of `serve` in headless Chromium: axe, a phone's width, no JavaScript; SHOTS=FOLDER keeps screenshots
	scripts/check-pages $(SHOTS)

incidents: build ## injected incidents, each with the time until it is named: a stopped source, a wrong clock, a store that stops or loses rows
	scripts/install-test-needs
	cargo test --locked --workspace incidents:: -- --nocapture --test-threads=1 | grep -o 'incident: .*'

attack: build ## hostile requests, connections, files and definitions, each with what comes back (docs/security.md)
	cargo test --locked --workspace -- --nocapture attacks:: fuzzing:: | grep -o 'attack: .*'

fuzz: ## what reads bytes of others, under a fuzzer with a nightly toolchain, each for a minute; ARGS="TARGET…"
	scripts/fuzz $(ARGS)

buckets: build ## logs in a bucket of a real object store: the sample to the byte, machines beside each other, a slow and failing way, damage
	scripts/versitygw install
	TWINSTORE_VERSITYGW=$$(scripts/versitygw path) cargo test --locked --workspace -- --ignored buckets::

batch-faults: build ## batch commands beside each other, killed and stopped at drawn steps; BATCH="TRIALS SEED SCENE"
	scripts/install-test-needs
	$(TARGET)/debug/batch-faults $(BATCH)

bench-flights: ## the first figures of docs/benchmarks.md, on the flights example, with the release profile
	cargo build --locked --release --workspace --bins
	benches/flights/run

bench-join: ## the point-in-time join beside its peers; ARGS="--help" says what can be chosen
	cargo build --locked --release --workspace --bins
	TWINSTORE_BIN=$(TARGET)/release/twinstore SCAN_BIN=$(TARGET)/release/bare-scan benches/join/run $(ARGS)

bench-redis: ## the online store in Redis beside redis-benchmark and, with FEAST_PYTHON, Feast's layout
	cargo build --locked --release -p twinstore-bench-redis
	BENCH_REDIS=$(TARGET)/release/bench-redis benches/redis/run

bench-tier: ## the online stores with the hot tier and without, and how soon a write is seen through it
	cargo build --locked --release -p twinstore-bench-tier
	BENCH_TIER=$(TARGET)/release/bench-tier benches/tier/run $(ARGS)

bench-stream: ## streams over a real broker beside a bare loop; ARGS="--help" says what can be chosen
	scripts/install-test-needs
	cargo build --locked --release --workspace --bins
	TWINSTORE_BIN=$(TARGET)/release/twinstore BENCH_STREAM=$(TARGET)/release/bench-stream benches/stream/run $(ARGS)

bench-parity: ## two versions compared at a million entities with ten features; ARGS="ROWS"
	cargo build --locked --release --workspace --bins
	TWINSTORE_BIN=$(TARGET)/release/twinstore benches/parity/run $(ARGS)

bench-pages: ## pages with 10,000 features until the first byte and the first paint; ARGS="VIEWS FEATURES_OF_A_VIEW"
	cargo build --locked --release --workspace --bins
	TWINSTORE_BIN=$(TARGET)/release/twinstore benches/pages/run $(ARGS)

bench-python: wheel ## the wheel in an empty environment: size, import, a training set, reads in process
	benches/python/run

bench-feast: ## the package beside Feast: a training set from a frame, online reads in process; ARGS="--help" says what can be chosen
	cargo build --locked --release --workspace
	benches/python/feast $(ARGS)

bench-versions: ## a cutover and a rollback under steady reads, and pushes beside a backfill; ARGS="READS_A_SECOND ROWS"
	cargo build --locked --release --workspace --bins
	TWINSTORE_BIN=$(TARGET)/release/twinstore benches/versions/run $(ARGS)

bench-load: ## loads into log and online store beside DuckDB's COPY; ARGS="--help" says what can be chosen
	cargo build --locked --release --workspace --bins
	TWINSTORE_BIN=$(TARGET)/release/twinstore benches/load/run $(ARGS)

bench-online: ## online reads beside their peers; ARGS="--help" says what can be chosen, "--quick" is short
	cargo build --locked --release --workspace --bins
	TWINSTORE_BIN=$(TARGET)/release/twinstore benches/online/run $(ARGS)
