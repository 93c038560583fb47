# Everything a person runs. `make demo` needs nothing but python3.13 and make.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
PY := $(VENV)/bin/python
LOCAL := .local
export UV_LINK_MODE ?= copy

.PHONY: help setup demo run test check bench build deploy lock clean format

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

setup: $(VENV)/.ready $(LOCAL)/layer/.ready $(LOCAL)/runtime/.ready ## install everything that the commands below need

# --- the local world ---------------------------------------------------------------------------

demo: setup ## play the whole patient journey on this machine
	@$(PY) -m sandbox demo

run: setup ## the same world, stays up; PORT is the API's (8080)
	@$(PY) -m sandbox run
