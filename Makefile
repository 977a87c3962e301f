# `make demo` and `make test` are all a newcomer needs; `make help` lists the rest.
# GNU make itself exits with 2 whenever a step fails; the step's own code (3: this machine lacks something) is in
# the last line it prints.

VENV ?= .venv
PY := $(VENV)/bin/python
PYTEST := $(PY) -m pytest --quiet
FAST := tests/unit tests/property
E2E := tests/e2e
PART := scripts/part.sh
RUN_EXTRAS := litert,broker,fleet
PYTHONS := 3.10 3.11 3.12 3.13 3.14
ARGS ?=

# Many images forbid byte code; then every worker rewrites all tests again, which takes longer than collecting
# them, and each of the hundreds of processes that tests start compiles the tree.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test forget lint test-fast test-rest test-e2e test-arm64 mosquitto pythons clean FORCE

help: ## what can be made
	@echo "make TARGET [ARGS=...] [PYTHON=python3.12 VENV=.venv-3.12]"; echo
	@sed -n 's/^\([a-z%-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do \
		printf '  %-10s  %s\n' "$$name" "$$text"; done

demo: $(VENV)/.run ## a whole fleet on this machine: 4 validators, 8 devices, real data (ARGS="--json demo.json")
	@$(VENV)/bin/edge-fleet demo $(ARGS)

test: forget lint test-fast test-rest test-e2e pythons ## everything a change must pass: lint, types, contracts, all tests
	@$(PART) --table

lint: $(VENV)/.dev ## style, types (as Python 3.10 and as the running one), import contracts
	$(PART) style $(PY) -m ruff check .
	$(PART) format $(PY) -m ruff format --check .
	$(PART) types $(PY) -m mypy --python-version 3.10
	$(PART) types-here $(PY) -m mypy --python-version $$($(PY) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	$(PART) contracts $(VENV)/bin/lint-imports --no-logo

# What is not run is not even read: to import all of it costs as much as a hundred tests.
test-fast: $(VENV)/.dev ## unit and property tests
	$(PART) fast $(PYTEST) -n 2 --dist worksteal -m "not slow" $(FAST) $(ARGS)

test-rest: $(VENV)/.dev mosquitto
	$(PART) rest $(PYTEST) -n 2 --dist worksteal -m slow --ignore $(E2E) $(ARGS)

# Fleets wait most of the time: four fit on two cores. Which module comes first stands in tests/e2e/conftest.py.
test-e2e: $(VENV)/.dev mosquitto
	$(PART) e2e $(PYTEST) -n 4 --dist loadscope --no-loadscope-reorder $(E2E) $(ARGS)

test-arm64: $(VENV)/.dev ## install, train and verify on emulated ARM boards (root, debootstrap, qemu-user)
	$(PY) -m scripts.arm64.rehearse $(ARGS)

bench-%: $(VENV)/.dev FORCE ## one benchmark, e.g. bench-train: prints its figures, writes build/bench-train.json
	$(PY) -m benchmarks.bench_$(subst -,_,$*) $(ARGS)

check-%: $(VENV)/.dev FORCE ## one long check, e.g. check-consensus: prints its figures, writes build/check-consensus.json
	$(PY) -m benchmarks.check_$(subst -,_,$*) $(ARGS)

clean: ## removes what builds and tests leave behind (not the virtual environments)
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

forget:
	@$(PART) --forget

# --- parts ---------------------------------------------------------------------------------------------------
$(VENV)/.run: pyproject.toml scripts/venv.sh
	@scripts/venv.sh $(VENV) $(RUN_EXTRAS) && touch $@

$(VENV)/.dev: pyproject.toml scripts/venv.sh
	@scripts/venv.sh $(VENV) $(RUN_EXTRAS),dev && touch $@ $(VENV)/.run

mosquitto:
	@if PATH="$$PATH:/usr/sbin" command -v mosquitto >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing mosquitto for the tests"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq mosquitto >/dev/null && exit 0; \
	fi; \
	echo "mosquitto is missing and could not be installed: its tests are skipped, by name, below"

pythons:
	@ran=$$($(PY) -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	echo "Tests ran on Python $$ran; types and syntax were checked for 3.10 and $$ran."; \
	for v in $(PYTHONS); do [ $$v = $$ran ] || echo "Not run: Python $$v (make test PYTHON=python$$v VENV=.venv-$$v)"; done
