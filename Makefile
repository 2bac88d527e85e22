# Every task of the project by one name. `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help run build test test-packages crash rolling fuzz conformance bench bench-cluster hostile demo screenshots fmt lint clean check-tools

DEMO_SOURCES := $(shell find static examples -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -name app.js)
CLIENT_PACKAGES := tests/clients/node_modules/.package-lock.json tests/clients/react-18/node_modules/.package-lock.json \
	examples/codemirror/node_modules/.package-lock.json examples/react-tiptap/node_modules/.package-lock.json \
	examples/express-react/node_modules/.package-lock.json

help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: check-tools ## Build the demo and start it on http://127.0.0.1:8080
	@exec scripts/run-demo.sh

build: check-tools static/dist/index.html ## Build target/release/tutti, the demo included, to deploy it
	cargo build --release --features jemalloc

test-packages: $(CLIENT_PACKAGES)

test: ## Install what the tests need, then run every check and test
	@scripts/test.sh

crash: check-tools tests/clients/node_modules/.package-lock.json ## Kill the server and the database while people type, then look for every edit
	@scripts/install-test-tools.sh
	@scripts/crash.sh

rolling: check-tools tests/clients/node_modules/.package-lock.json ## Replace three servers one after another under PEOPLE [5000] people
	@scripts/install-test-tools.sh
	@scripts/rolling.sh

fuzz: check-tools tests/clients/node_modules/.package-lock.json ## Look for bytes that the server should not take, FUZZ_SECONDS each
	@scripts/fuzz.sh

conformance: check-tools ## Run the Autobahn Testsuite's 517 cases of WebSocket conformance; needs Python 2.7
	@scripts/conformance.sh

bench: ## Measure the server and its peers side by side; see docs/PERFORMANCE.md
	@scripts/bench.sh

bench-cluster: tests/clients/node_modules/.package-lock.json ## Measure several servers on one Postgres; see docs/PERFORMANCE.md
	@scripts/install-test-tools.sh
	@scripts/bench-cluster.sh

hostile: ## Measure 200 people who type alone and beside hostile clients (BENCH_TRANSPORT=plain|tls|compressed|events)
	@BENCH_SERVERS=tutti BENCH_ROWS=hostile-answers,hostile-bodies,hostile-messages,hostile-awareness,hostile-edits,hostile-rooms,hostile-questions,hostile-streams,hostile-bombs,hostile-all scripts/bench.sh

demo: check-tools static/dist/index.html ## Build the browser demo into static/dist

screenshots: check-tools static/dist/index.html tests/clients/node_modules/.package-lock.json ## Take the pictures in docs/images from the demo
	cargo build
	@scripts/screenshots.sh target/debug/tutti docs/images

fmt: ## Format the Rust code
	cargo fmt

lint: ## What must be clean before a commit: format and clippy
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

clean: ## Remove everything that was built
	cargo clean
	rm -rf static/dist static/client/dist static/node_modules tests/clients/node_modules tests/clients/react-18/node_modules examples/*/node_modules tests/clients/.artifacts benches/peers/node_modules benches/load/target fuzz/target

check-tools:
	@scripts/check-tools.sh

# npm writes this hidden lock file last, so it stands for a complete install.
%/node_modules/.package-lock.json: %/package-lock.json
	cd $* && npm ci --no-audit --no-fund

static/dist/index.html: static/node_modules/.package-lock.json $(DEMO_SOURCES)
	cd static && npm run build
	@touch $@
