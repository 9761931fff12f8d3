# RAIDC: everything a developer runs. `make` alone lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export RAIDC_CACHE ?= $(HOME)/.cache/raidc
# Here, whatever the caller's environment says: the demo and the tests look for our programs there.
export CARGO_TARGET_DIR := $(CURDIR)/target

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

.PHONY: tools
tools: ## Check (and where possible install) what the other targets need
	@tests/tools

.PHONY: parts
parts: tools ## Build the lab's real control plane once, into $(RAIDC_CACHE)
	@tests/lab/parts/build

.PHONY: demo
demo: tools ## The whole product on this machine: a real control plane, our charts, the controller, examples/
	@tests/demo

.PHONY: demo-down
demo-down: ## Remove the demo
	@if [ ! -e .lab/demo ]; then echo 'There is no demo.'; exit; fi; \
	[ -x target/debug/raidc-demo ] || cargo build --workspace --locked --bin raidc-demo; \
	target/debug/raidc-demo down

.PHONY: test
test: tools ## Everything that must hold
	@tests/run

.PHONY: bench-planner
bench-planner: ## The planner's promises in numbers, each beside a yardstick of the same run (some minutes; exits 1 on SHORT)
	cargo run -q --release --locked -p raidc-bench --bin bench-planner

.PHONY: mutants
MUTANTS ?= checker/**/*.rs place.rs fits.rs score.rs copies.rs reserves.rs protect.rs loss.rs apart.rs together.rs \
  world/power.rs state.rs colocate/**/*.rs admit.rs quota.rs claim.rs loads.rs shed/**/*.rs grow.rs bulk.rs mend.rs
mutants: ## Change the planner's code in a thousand places and see whether a test notices (hours; MUTANTS=place.rs for one file)
	env -u CARGO_TARGET_DIR CARGO_PROFILE_DEV_DEBUG=0 cargo mutants -p raidc-planner -o target --timeout 120 \
	  $(foreach file,$(MUTANTS),-f 'controller/planner/src/$(file)') \
	  -C=--config=profile.test.package.raidc-planner.opt-level=1 || [[ $$? == [23] ]]
	@echo 'Not noticed:'; cat target/mutants.out/missed.txt

.PHONY: check
check: ## Formatting and lints only
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

.PHONY: deny
deny: ## Whether what is linked keeps to deny.toml: walls, versions, licences, registries
	@tests/dependencies

.PHONY: cli
cli: ## Install the command as raidc and as kubectl's plugin (kubectl raidc plan …)
	cargo install --locked --path controller/cli

.PHONY: crds
crds: ## Rewrite crds/yaml and the CRD chart from the types
	UPDATE_CRDS=1 cargo test -q --locked -p raidc-crds --test committed_yaml
	UPDATE_CRDS=1 cargo test -q --locked -p raidc-chart-tests --test crds_chart

.PHONY: golden
golden: ## Accept the stories' and the command's new output (look at the diff before you commit it)
	UPDATE_GOLDEN=1 cargo test -q --locked -p raidc-planner
	UPDATE_GOLDEN=1 cargo test -q --locked -p raidc --test commands

.PHONY: clean
clean: demo-down ## Remove the demo, stopped labs and build output; the cache of real parts stays
	@for lab in .lab/*/; do \
	  [ -e "$$lab" ] || continue; \
	  flock --nonblock "$$lab/lock" rm -rf "$$lab" || echo "$$lab is in use and stays"; \
	done
	cargo clean
