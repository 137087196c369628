# Everything sets itself up: it needs make and a Python of at least 3.11, nothing else.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Agents that the tests run for real, where they end with this environment. Versions are pinned: their streams move.
# Claude Code and Copilot CLI have terms of their own, which whoever runs this target accepts.
AGENTS := $(VENV)/agents
CODEX := $(AGENTS)/codex/node_modules/.bin/codex
CLAUDE := $(AGENTS)/claude/node_modules/.bin/claude
GEMINI := $(AGENTS)/gemini/node_modules/.bin/gemini
OPENCODE := $(AGENTS)/opencode/node_modules/.bin/opencode
COPILOT := $(AGENTS)/copilot/node_modules/.bin/copilot
MCPB := $(AGENTS)/mcpb/node_modules/.bin/mcpb

# The official conformance suite of MCP, and MCP Inspector.
CONFORMANCE := $(VENV)/conformance
INSPECTOR := $(VENV)/inspector

# They take half a minute; a network that goes nowhere must not hold up what does without them.
NPM_S := 120

# Packages of the system, and Chromium: likewise.
APT_S := 90

# The front end of ComfyUI with its templates, and what drives a browser.
FRONT_END := $(VENV)/front-end

# What drives a browser, and what judges whether everybody can use a page.
WEB := $(VENV)/web

# Ray, apart from what the project runs with, which must do without.
RAY := .ray

# What makes a site of the documents.
SITE := $(VENV)/site

# Where a system forbids to keep what Python has compiled, each process of the tests would compile the project anew.
unexport PYTHONDONTWRITEBYTECODE

# All tests, collected once: what is compiled for that, the workers need not compile, each for itself.
COLLECTED := $(VENV)/.collected

# Tests wait for processes half of the time.
WORKERS = $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN) + 1)))

# What resolves versions, builds and installs.
UV := $(VENV)/uv

.PHONY: docs-tables recording plugin demo demo-comfyui test pytest test-agents test-conformance test-clients test-front-end test-docs test-web test-cluster test-ray check rules types nightly bench format test-wheel check-lock lock release clean

demo: $(READY)  ## see it work: about half a minute
	$(BIN)/mcp-background-job demo

demo-comfyui: $(READY)  ## see a simulated ComfyUI watched, cancelled, wedged and restarted: about half a minute
	$(BIN)/python -m tests.comfyui_simulator.demo

test: $(READY)  ## everything that must hold: rules, rooms, types, tests; on a loaded machine with TESTS_PATIENCE=3
	$(MAKE) --no-print-directory -j 2 check pytest

pytest: $(COLLECTED)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not nightly and not documents"

$(COLLECTED): $(READY)
	$(BIN)/python -m pytest --collect-only -qq >$@ || (cat $@; rm $@; exit 1)

test-agents: $(CODEX) $(CLAUDE) $(GEMINI) $(OPENCODE) $(COPILOT) $(MCPB)  ## real agents, against a model on loopback: installs 1.5 GB; minutes
	$(BIN)/python -m pytest -m real_agents --timeout 300

test-clients: $(CLAUDE) $(CODEX) $(GEMINI) $(OPENCODE)  ## real clients whose models our hooks wake, against a model on loopback: installs 1 GB; minutes
	CLIENTS=$(CURDIR)/$(AGENTS) $(BIN)/python -m pytest tests/clients -m real_clients -s

test-front-end: $(FRONT_END)  ## the real front end of ComfyUI, in Debian's Chromium: installs 250 MB; minutes
	command -v chromium >/dev/null || apt-get install -y --no-install-recommends chromium
	PYTHONPATH=$(FRONT_END) $(BIN)/python -m pytest tests/front_end -m front_end

$(FRONT_END): Makefile | $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target $@ --upgrade \
		playwright==1.55.0 comfyui-frontend-package==1.27.10 comfyui-workflow-templates==0.1.95
	@touch $@

# Options of pytest that choose among the tests of the page.
WEB_ONLY :=

test-web: $(WEB)  ## the page, in a Chromium of Debian's or Playwright's; pictures of it are left in .shots: installs 50 MB, and Chromium
	@command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null \
		|| timeout $(APT_S) apt-get install -y --no-install-recommends chromium-headless-shell \
		|| (timeout $(APT_S) apt-get update && timeout $(APT_S) apt-get install -y --no-install-recommends chromium-headless-shell) \
		|| PYTHONPATH=$(WEB) timeout $(APT_S) $(BIN)/python -m playwright install chromium \
		|| echo "Chromium cannot be installed: the tests of the page are skipped" >&2
	PYTHONPATH=$(WEB) $(BIN)/python -m pytest tests/web -m browser -n 3 --dist worksteal $(WEB_ONLY)

$(WEB): Makefile | $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target $@ --upgrade \
		playwright==1.55.0 axe-playwright-python==0.1.8 \
		&& touch $@ || echo "Playwright cannot be installed: the tests of the page are skipped" >&2

# Slurm, from Debian's packages. Where they cannot be had, the tests say what is missing.
SLURM := slurmctld slurmd slurm-client munge

test-cluster: $(READY)  ## a real Slurm with three nodes on loopback, as root and as an ordinary user: installs 60 MB; three minutes
	@dpkg -s $(SLURM) >/dev/null 2>&1 || apt-get install -y --no-install-recommends $(SLURM) \
		|| (apt-get update && apt-get install -y --no-install-recommends $(SLURM)) \
		|| true
	$(BIN)/python -m tests.cluster

test-ray: $(RAY)  ## a real Ray of a head and two workers on loopback: installs 350 MB; five minutes
	RAY_CLUSTER=1 $(BIN)/python -m pytest -m "ray and not nightly" tests/places tests/ray

$(RAY): Makefile | $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target $@ --upgrade 'ray[default]==2.60.0' \
		&& touch $@ || echo "Ray cannot be installed" >&2

test-docs: $(SITE)  ## what the documents show is run, and their site is built: installs 30 MB; two minutes
	$(BIN)/python -m pytest -m documents tests/docs
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=$(SITE) $(BIN)/python -m mkdocs build --quiet

$(SITE): Makefile | $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target $@ --upgrade mkdocs==1.6.1 mkdocs-material==9.8.2
	@touch $@

test-conformance: $(CONFORMANCE) $(INSPECTOR)  ## the official conformance suite of MCP, and MCP Inspector: installs 350 MB with npm; two minutes
	CONFORMANCE=$(CONFORMANCE) INSPECTOR=$(abspath $(INSPECTOR)) $(BIN)/python -m pytest -m conformance tests/conformance

# They need a newer node than many systems have, which comes from npm too. Where they cannot be had their tests say so.
$(CONFORMANCE): PACKAGES := node@22.23.3 @modelcontextprotocol/conformance@0.2.0-alpha.12
$(INSPECTOR): PACKAGES := @modelcontextprotocol/inspector@2.12.0
$(CONFORMANCE) $(INSPECTOR): Makefile | $(READY)
	if command -v npm >/dev/null; then \
		timeout $(NPM_S) npm install --silent --no-fund --no-audit --prefix $@ $(PACKAGES) && npm rebuild --silent --prefix $@ \
		&& touch $@ || echo "npm cannot install $(PACKAGES)" >&2; \
	else echo "npm is missing: $(PACKAGES) cannot be installed" >&2; fi

# Without npm these are missing, and their tests say so.
$(CODEX): PACKAGE := @openai/codex@0.171.0
$(CLAUDE): PACKAGE := @anthropic-ai/claude-code@2.1.332
$(GEMINI): PACKAGE := @google/gemini-cli@0.61.0
$(OPENCODE): PACKAGE := opencode-ai@1.18.33
$(COPILOT): PACKAGE := @github/copilot@1.0.102
$(MCPB): PACKAGE := @anthropic-ai/mcpb@2.1.2
$(CODEX) $(CLAUDE) $(GEMINI) $(OPENCODE) $(COPILOT) $(MCPB): Makefile | $(READY)
	command -v npm >/dev/null || exit 0; \
		npm install --silent --no-fund --no-audit --prefix $(AGENTS)/$(@F) $(PACKAGE) && touch $@

check: rules types

rules: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY)
	$(BIN)/pyright --pythonpath $(BIN)/python

nightly: $(READY)  ## the tests that take minutes, and 1,000 examples of each property in place of 40
	$(BIN)/python -m pytest -m "nightly or hypothesis" --hypothesis-profile nightly --timeout 1800

coverage: $(READY)  ## with branches, processes that the tests start included
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m "not nightly and not documents"
	$(BIN)/coverage combine -q
	$(BIN)/coverage report --skip-covered --show-missing

bench: $(WEB)  ## measure against the bars, and write docs/explanation/benchmarks.md: half an hour
	PYTHONPATH=$(WEB) $(BIN)/python -m bench --write $(if $(PEER),--peer "$(PEER)")

docs-tables: $(READY)  ## write the tables of docs/ that follow from the code anew
	$(BIN)/python -m tests.docs.tables

recording: $(READY)  ## record the demo anew, for the README: a minute
	$(BIN)/python -m tests.docs.recording

plugin: $(READY)  ## write the files of plugin/ anew, from their table
	$(BIN)/python -m mcp_background_job.install.plugin .

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-wheel: $(UV)  ## the wheel, in an empty environment: its command line, a client over stdio, and uvx
	$(BIN)/python -m release.wheel

check-lock: $(UV)  ## the lock and the ranges, against what the registry serves today
	$(BIN)/python -m release.lock

lock: $(UV)  ## pin the newest versions that fit
	$(BIN)/python -m release.lock --write

release: $(UV)  ## make release VERSION=1.2.3: version, changelog, wheel and sdist, tried, committed and tagged
	$(BIN)/python -m release $(VERSION)

$(UV): Makefile | $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target $@ --upgrade uv==0.13.9
	@touch $@

$(READY): pyproject.toml requirements.lock
	@test -n "$(PYTHON)" || { echo "mcp-background-job needs Python 3.11 or newer on the PATH" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

clean:
	rm -rf $(VENV)
