# `make help` lists the targets. Presets (release, dev, asan, tsan, ubsan) are in CMakePresets.json.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PRESET ?= release
JOBS ?= $(shell nproc)
PYTHON := .venv/bin/python
CLANG_FORMAT ?= clang-format-14
CXX_FILES = $(shell git ls-files --cached --others --exclude-standard '*.h' '*.cc')

export CCACHE_SLOPPINESS ?= pch_defines,time_macros,include_file_mtime,include_file_ctime
export CTEST_PARALLEL_LEVEL ?= $(JOBS)
export PYTHONDONTWRITEBYTECODE := 1

.NOTPARALLEL:
.PHONY: help setup configure build demo test test-cc test-py lint format bench-flight bench-kernels sanitize fuzz \
	prove-fresh-machine clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

setup: ## Install apt packages and the Python environment, only what is missing
	@tools/bootstrap

configure: setup
	@[ -f build/$(PRESET)/build.ninja ] || cmake --preset $(PRESET)

build: configure ## Build everything (PRESET=release) and leave the server at bin/longbowd
	@cmake --build --preset $(PRESET) -j $(JOBS)
	@$(MAKE) bin/longbowd

.PHONY: bin/longbowd
bin/longbowd: configure
	@cmake --build --preset $(PRESET) -j $(JOBS) --target longbowd
	@cmp -s build/$(PRESET)/apps/longbowd/longbowd bin/longbowd || \
		install -D build/$(PRESET)/apps/longbowd/longbowd bin/longbowd

demo: bin/longbowd ## Real vectors in, searches out, kill, restart: see that everything is still there
	@$(PYTHON) examples/demo.py

test: build lint test-cc test-py ## Build and run all tests, C++ and Python, and the lints

test-cc: ## Run the C++ tests of the build
	@ctest --preset $(PRESET)

test-py: ## Run the Python and end-to-end tests against bin/longbowd
	@$(PYTHON) -m pytest

lint: setup ## Check layers, types and (where clang-format-14 is installed) layout
	@$(PYTHON) tools/lint_layers.py
	@$(PYTHON) -m mypy --config-file python/pyproject.toml python/longbow
	@if command -v $(CLANG_FORMAT) >/dev/null; then $(CLANG_FORMAT) --dry-run --Werror $(CXX_FILES); \
		else echo "lint: $(CLANG_FORMAT) is not installed, layout not checked"; fi

format: ## Lay out the C++ files
	@$(CLANG_FORMAT) -i $(CXX_FILES)

bench-flight: build ## DoPut, DoGet and search round trips beside Arrow's stock Flight server
	@$(PYTHON) bench/flight_bench.py

bench-kernels: build ## Nanoseconds a distance by dimension, level and type
	@build/$(PRESET)/bench/kernels_bench

sanitize: setup ## Run the C++ tests under ASan+UBSan and under TSan
	@for preset in asan tsan; do \
		cmake --preset $$preset && cmake --build --preset $$preset -j $(JOBS) && ctest --preset $$preset; done

FUZZ_TARGETS ?= ticket action filter put exchange
FUZZ_RUNS ?= 1000000
fuzz: setup ## Fuzz each target FUZZ_RUNS times (clang-14); what is found is left in build/fuzz/findings
	@cmake --preset fuzz && cmake --build --preset fuzz -j $(JOBS) --target $(FUZZ_TARGETS:%=fuzz_%)
	@for target in $(FUZZ_TARGETS); do tools/fuzz $$target $(FUZZ_RUNS); done

prove-fresh-machine: ## Run make test and make demo in a clean Debian 12 root (needs root)
	@tools/prove_fresh_machine

clean: ## Remove what was built; .venv and the compiler cache stay
	rm -rf build bin
