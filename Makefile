# Two commands do everything: `make rehearse` and `make test`. Both set up what they need first.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
WORKERS ?= 2
SHORT := --rate 200 --seconds 8 --rows 50000
INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes -r
# A person edits the .txt; the .lock beside it is what is installed: every version, and hashes of everything there is of it.
AUDITED := requirements-dev.lock sandbox/cloud/requirements.lock policy/peer/requirements.lock
LOCK := build/audit/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --annotation-style line --custom-compile-command "make lock"

.PHONY: help setup rehearse faults scenarios versions policy checkov gallery dashboards test unit check clean audit lock

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

$(READY): requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; name one with: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "$(PYTHON) has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "setting up .venv"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python $(INSTALL) requirements-dev.lock
	@touch $@

setup: $(READY)
	@$(BIN)/python -m sandbox setup

rehearse: $(READY)
	@$(BIN)/python -m sandbox rehearse $(ARGS)

faults: $(READY)
	@$(BIN)/python -m sandbox rehearse --name sandbox-faults --output build/faults $(or $(ARGS),--fault every)

scenarios: $(READY)
	@$(BIN)/python -m sandbox setup
	$(BIN)/python -m pytest tests/scenarios --every-scenario --durations=0 $(ARGS)

versions: $(READY)
	@$(BIN)/python -m sandbox setup
	$(BIN)/python -m pytest tests/sandbox/test_preflight_rules.py tests/sandbox/test_extensions.py \
		tests/sandbox/test_validation.py tests/sandbox/test_carry.py --every-version $(ARGS)
	$(BIN)/python -m sandbox rehearse $(SHORT) --source-version 16 --target-version 17 --output build/versions/16-17
	$(BIN)/python -m sandbox rehearse $(SHORT) --source-version 17 --target-version 18 --output build/versions/17-18
	$(BIN)/python -m sandbox rehearse $(SHORT) --source-version 17 --target-version 17 \
		--dump tests/rehearsal/data/extensions.sql --output build/versions/17-17

policy: $(READY)
	@$(BIN)/python -m sandbox setup
	$(BIN)/python -m pytest -rP tests/program/test_rights.py tests/unit/test_policies.py tests/sandbox/test_policy_pack.py $(ARGS)

checkov: $(READY)
	@$(BIN)/python -m sandbox setup
	@$(BIN)/python -m sandbox.peer $(ARGS)

build/audit/.ready: requirements-audit.lock
	@test -x build/audit/bin/python || $(PYTHON) -m venv build/audit
	@build/audit/bin/python $(INSTALL) requirements-audit.lock
	@touch $@

audit: build/audit/.ready
	build/audit/bin/cyclonedx-py requirements --output-file build/sbom.json requirements.lock
	set -e; for file in $(AUDITED); do build/audit/bin/pip-audit --disable-pip --require-hashes --requirement $$file; done

lock: build/audit/.ready
	$(LOCK) $(ARGS) requirements-dev.txt --output-file requirements-dev.lock
	$(LOCK) $(ARGS) requirements.txt --constraints requirements-dev.lock --output-file requirements.lock
	$(LOCK) $(ARGS) requirements-audit.txt --output-file requirements-audit.lock
	$(LOCK) $(ARGS) sandbox/cloud/requirements.txt --output-file sandbox/cloud/requirements.lock
	$(LOCK) $(ARGS) policy/peer/requirements.txt --output-file policy/peer/requirements.lock

gallery dashboards: $(READY)
	@$(BIN)/python -m sandbox setup
	@$(BIN)/python -m gallery $(ARGS)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

unit: $(READY)
	$(BIN)/python -m pytest tests/unit tests/program $(ARGS)

test: check
	@$(BIN)/python -m sandbox setup
	$(BIN)/python -m pytest -n $(WORKERS) --no-loadscope-reorder --durations=15 --cov --cov-report=term-missing:skip-covered $(ARGS)

clean:
	rm -rf build .venv .mypy_cache .ruff_cache .pytest_cache Pulumi.sandbox*.yaml
