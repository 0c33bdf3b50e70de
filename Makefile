# Two commands do everything: `make rehearse` and `make test`. Both set up what they need first.
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 2
SHORT := --rate 200 --seconds 8 --rows 50000
BEGAN := $(shell date +%s)
# A person edits the .in; the .txt beside it is its lock, and what is installed: every version, and hashes of all there is of it.
LOCKED := requirements-audit sandbox/requirements sandbox/engine/requirements sandbox/cloud/requirements policy/peer/requirements \
  sandbox/aws/requirements benchmarks/validation/requirements
AUDITED := requirements.txt requirements-dev.txt sandbox/cloud/requirements.txt sandbox/aws/requirements.txt policy/peer/requirements.txt benchmarks/validation/requirements.txt
LOCK = $$($(BIN)/python -m sandbox.installer uv) pip compile --quiet --no-config --universal --python-version 3.11 \
  --generate-hashes --no-strip-extras --annotation-style line --custom-compile-command "make lock"
# What a person's shell says to Python is meant for their own programs: another path, no compiled files, no assertions.
unexport $(filter PYTHON%,$(.VARIABLES)) VIRTUAL_ENV

.PHONY: help environment setup rehearse faults scenarios versions policy checkov gallery dashboards test unit check clean audit lock

help:
	@echo "make rehearse   deploy, migrate and switch over a real database on this machine (ARGS=... passes options)"
	@echo "make faults     have everything go wrong, one after the other, and count writes (ARGS='--fault NAME' for one)"
	@echo "make scenarios  deploy every example in a sandbox, check it by its outputs, preview, destroy"
	@echo "make versions   every rule of preflight on each version of PostgreSQL, where make test takes turns; rehearse 16-17-18"
	@echo "make policy     the policy pack: every rule, every function's rights, and staging judged by the real engine"
	@echo "make checkov    every scenario's state judged by checkov; what fails is mended, or excused by name"
	@echo "make audit      a bill of materials, and what is known against the versions that are pinned (asks PyPI)"
	@echo "make lock       the locks anew, after requirements were edited (ARGS=--upgrade moves everything; asks PyPI)"
	@echo "make dashboards the docs' pictures and tables: resources, dashboards, costs of every scenario, deployed anew"
	@echo "make test       every check and test, WORKERS=2 at a time"
	@echo "make unit       the tests that need no sandbox, in seconds"
	@echo "make check      formatting, lint and types"
	@echo "make setup      the virtual environment, the engine, the emulators and the database servers, nothing else"
	@echo "make clean      remove what was built here (the cache in the user's cache folder stays)"

environment:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; name one with: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "$(PYTHON) has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m sandbox.installer

setup: environment
	@$(BIN)/python -m sandbox setup

rehearse: environment
	@MAKE_BEGAN=$(BEGAN) $(BIN)/python -m sandbox rehearse $(ARGS)

faults: environment
	@$(BIN)/python -m sandbox rehearse --name sandbox-faults --output build/faults $(or $(ARGS),--fault every)

scenarios: environment
	@$(BIN)/python -m sandbox setup
	$(BIN)/python -m pytest tests/scenarios --every-scenario --durations=0 $(ARGS)

versions: environment
	@$(BIN)/python -m sandbox setup
	$(BIN)/python -m pytest tests/sandbox/test_preflight_rules.py tests/sandbox/test_extensions.py \
		tests/sandbox/test_validation.py tests/sandbox/test_carry.py --every-version $(ARGS)
	$(BIN)/python -m sandbox rehearse $(SHORT) --source-version 16 --target-version 17 --output build/versions/16-17
	$(BIN)/python -m sandbox rehearse $(SHORT) --source-version 17 --target-version 18 --output build/versions/17-18
	$(BIN)/python -m sandbox rehearse $(SHORT) --source-version 17 --target-version 17 \
		--dump tests/rehearsal/data/extensions.sql --output build/versions/17-17

policy: environment
	@$(BIN)/python -m sandbox setup
	$(BIN)/python -m pytest -rP tests/program/test_rights.py tests/unit/test_policies.py tests/sandbox/test_policy_pack.py $(ARGS)

checkov: environment
	@$(BIN)/python -m sandbox setup
	@$(BIN)/python -m sandbox.peer $(ARGS)

audit: environment
	@$(BIN)/python -m sandbox.audit $(AUDITED)

lock: environment
	$(LOCK) $(ARGS) requirements-dev.in --output-file requirements-dev.txt
	$(LOCK) $(ARGS) requirements.in --constraints requirements-dev.txt --output-file requirements.txt
	set -e; for folder in $(LOCKED); do $(LOCK) $(ARGS) $$folder.in --output-file $$folder.txt; done

gallery dashboards: environment
	@$(BIN)/python -m sandbox setup
	@$(BIN)/python -m gallery $(ARGS)

check: environment
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

unit: environment
	$(BIN)/python -m pytest tests/unit tests/program $(ARGS)

test: check
	@$(BIN)/python -m sandbox setup
	$(BIN)/python -m pytest -n $(WORKERS) --no-loadscope-reorder --durations=15 --cov --cov-report=term-missing:skip-covered $(ARGS)

clean:
	rm -rf build .venv .mypy_cache .ruff_cache .pytest_cache Pulumi.sandbox*.yaml
