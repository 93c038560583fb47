# Everything a person runs. `make demo` needs nothing but python3.13 and make.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
PY := $(VENV)/bin/python
LOCAL := .local
export UV_LINK_MODE ?= copy

.PHONY: help setup demo run test proof unit nightly soak check bench build deploy lock clean format

help: ## what can be run
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

# --- environments, each installed from its lock file with hashes -------------------------------

$(VENV)/bin/uv: requirements/uv.txt
	python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/.ready: $(VENV)/bin/uv requirements/dev.txt requirements/uv.txt
	$(VENV)/bin/uv pip sync --quiet --python $(PY) --require-hashes requirements/dev.txt requirements/uv.txt
	@touch $@

# The shared layer's libraries and the Lambda runtime's own, as the functions of the local world see them.
$(LOCAL)/layer/.ready: $(VENV)/bin/uv layers/common/requirements.txt
	rm -rf $(@D)
	$(VENV)/bin/uv pip install --quiet --python $(PY) --require-hashes --target $(@D) -r layers/common/requirements.txt
	$(PY) -m compileall -q --invalidation-mode unchecked-hash $(@D)
	@touch $@

$(LOCAL)/runtime/.ready: $(VENV)/bin/uv requirements/lambda.txt
	rm -rf $(@D)
	$(VENV)/bin/uv pip install --quiet --python $(PY) --require-hashes --target $(@D) -r requirements/lambda.txt
	$(PY) -m compileall -q --invalidation-mode unchecked-hash $(@D)
	@touch $@

$(VENV)-sam/.ready: $(VENV)/bin/uv requirements/sam.txt
	$(VENV)/bin/uv venv --quiet --clear --python $(PY) $(VENV)-sam
	$(VENV)/bin/uv pip sync --quiet --python $(VENV)-sam/bin/python --require-hashes requirements/sam.txt
	@touch $@

$(VENV)-checkov/.ready: $(VENV)/bin/uv requirements/checkov.txt
	$(VENV)/bin/uv venv --quiet --clear --python $(PY) $(VENV)-checkov
	$(VENV)/bin/uv pip sync --quiet --python $(VENV)-checkov/bin/python --require-hashes requirements/checkov.txt
	@touch $@

setup: $(VENV)/.ready $(LOCAL)/layer/.ready $(LOCAL)/runtime/.ready ## install everything that the commands below need

# --- the local world ---------------------------------------------------------------------------

demo: setup ## play the whole patient journey on this machine
	@$(PY) -m sandbox demo

run: setup ## the same world, stays up; PORT is the API's (8080)
	@$(PY) -m sandbox run

# --- tests and checks --------------------------------------------------------------------------

WORKERS ?= 2
# What a change is tried with, and what a merge is proven with as well.
TESTS := $(addprefix tests/,unit sandbox contracts adapters functions world workflows journey app)
PROOFS := $(addprefix tests/,policy protocols faults threats leaks fuzz)

test: setup ## pass the tests (the long proofs apart)
	$(PY) -m pytest -n $(WORKERS) --dist loadfile -p no:schemathesis $(TESTS)

proof: setup ## pass the long proofs: protocols, faults, threats, leaks, least privilege, fuzzing
	@# Each in processes and a world of its own: they deny rights, break stores and read everybody's logs.
	for proof in $(PROOFS); do $(PY) -m pytest -n $(WORKERS) $$proof || exit 1; done

unit: setup ## the fast part of the tests: the domain alone
	$(PY) -m pytest tests/unit -p no:schemathesis

soak: setup ## five million histories of the refresh protocol
	$(PY) -m tests.protocols.soak

nightly: setup ## the long runs: a thousand fuzz cases an operation, five million histories
	FUZZ_CASES=1000 $(PY) -m pytest tests/fuzz
	$(MAKE) --no-print-directory soak

check: setup $(VENV)-sam/.ready $(VENV)-checkov/.ready ## format, lint, types, template checks, tests: what CI runs
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/cfn-lint template.yaml
	SAM_CLI_TELEMETRY=0 $(VENV)-sam/bin/sam validate --lint --region us-east-1
	$(PY) -m tools.expand_template
	$(VENV)-checkov/bin/checkov --config-file .checkov.yaml -f template.yaml
	$(VENV)-checkov/bin/checkov --config-file .checkov.yaml -f .aws-sam/expanded.json
	$(MAKE) --no-print-directory test
	$(MAKE) --no-print-directory proof

format: setup ## put the code into the house's form
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: setup ## the benchmarks, as tables
	@$(PY) -m benchmarks

# --- AWS ---------------------------------------------------------------------------------------

# Bytecode that does not depend on file times: without it Lambda would compile at every cold start.
build: setup $(VENV)-sam/.ready ## build the stack for AWS
	SAM_CLI_TELEMETRY=0 $(VENV)-sam/bin/sam build
	$(PY) -m compileall -q --invalidation-mode unchecked-hash -s .aws-sam/build .aws-sam/build

deploy: build ## deploy the stack (asks for its parameters the first time)
	SAM_CLI_TELEMETRY=0 $(VENV)-sam/bin/sam deploy $(if $(wildcard samconfig.toml),,--guided)

# --- housekeeping ------------------------------------------------------------------------------

LOCKS := layers/common/requirements requirements/dev requirements/lambda requirements/sam requirements/checkov requirements/uv

lock: $(VENV)/bin/uv ## resolve the lock files anew
	for lock in $(LOCKS); do $(VENV)/bin/uv pip compile --quiet --python-version 3.13 --universal --generate-hashes \
		--no-header --no-emit-index-url --upgrade $$lock.in -o $$lock.txt || exit 1; done

clean: ## remove everything that was installed or built
	rm -rf $(VENV) $(VENV)-sam $(VENV)-checkov $(LOCAL) .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis
