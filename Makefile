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

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

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

test: build lint test-cc test-py sanitize-short ## Build and run all tests, C++ and Python, and the lints

test-cc: ## Run the C++ tests of the build
	@ctest --preset $(PRESET)

test-py: ## Run the Python and end-to-end tests against bin/longbowd
	@$(PYTHON) -m pytest

lint: setup ## Check layers, types and (where clang-format-14 is installed) layout
	@$(PYTHON) tools/lint_layers.py
	@$(PYTHON) -m mypy --config-file python/pyproject.toml python/longbow
	@$(PYTHON) tools/generate_async_client.py --check
	@if command -v $(CLANG_FORMAT) >/dev/null; then $(CLANG_FORMAT) --dry-run --Werror $(CXX_FILES); \
		else echo "lint: $(CLANG_FORMAT) is not installed, layout not checked"; fi

tidy: configure ## Run clang-tidy-14 over the sources (minutes)
	@git ls-files 'src/*.cc' 'apps/*.cc' | grep -v '_test.cc' | \
		xargs -P $(JOBS) -n 4 clang-tidy-14 -p build/$(PRESET) --quiet 2>/dev/null

format: ## Lay out the C++ files
	@$(CLANG_FORMAT) -i $(CXX_FILES)

generate: ## Write the asyncio client from the blocking one
	@$(PYTHON) tools/generate_async_client.py

types: setup ## Check types with pyright, too (from PyPI, which fetches node)
	@$(PYTHON) -m venv build/pyright && build/pyright/bin/pip install -q --disable-pip-version-check pyright==1.1.414
	@build/pyright/bin/pyright -p python --pythonpath $(PYTHON)

s3-server: ## Compile the S3 server that the tests of copies use (needs Go; some minutes)
	@GOBIN=$(CURDIR)/build/s3-server go install github.com/versity/versitygw/cmd/versitygw@v1.8.0

wheel: bin/longbowd ## Build dist/longbow-*.whl with the server inside, and try it in a clean environment
	@$(PYTHON) tools/make_wheel.py
	@tools/try_wheel dist/longbow-$$(cat VERSION)-py3-none-manylinux_*.whl

test-oldest: wheel ## Run the Python tests on the oldest pandas, polars, NumPy ... that the package allows
	@tools/test_oldest_versions dist/longbow-$$(cat VERSION)-py3-none-manylinux_*.whl

test-neon: ## Compile the kernels for AArch64 and run their tests under qemu-user (tools/test_neon says what it needs)
	@tools/test_neon

test-avx512: ## Run the tests of the kernels on emulated processors with AVX-512 (tools/test_avx512 says what it needs)
	@tools/test_avx512

docs: setup ## Build the documentation into build/site, warnings are errors
	@tools/build_docs

bench-sdk: bin/longbowd ## What the Python package costs over bare pyarrow.flight
	@$(PYTHON) bench/sdk_bench.py

bench-flight: build ## DoPut, DoGet and search round trips beside Arrow's stock Flight server
	@$(PYTHON) bench/flight_bench.py

bench-ann: build ## The graph index beside hnswlib, FAISS, USearch and others (ANN="--quick" for some minutes)
	@$(PYTHON) bench/ann/bench_ann.py $(ANN)

bench-kernels: build ## Nanoseconds a distance by dimension, level and type
	@build/$(PRESET)/bench/kernels_bench

prove: build ## Crash real servers for hours (as root: all layers); goes on where it was ended; then soak
	@$(PYTHON) tests/prove/prove.py
	@$(PYTHON) tests/prove/disk_use.py
	@$(PYTHON) tests/prove/soak.py

soak: build ## Half an hour of steady churn: nothing may grow
	@$(PYTHON) tests/prove/soak.py

bench-restart: build ## A start of a million rows, from a snapshot and from the log
	@$(PYTHON) bench/restart_bench.py

bench-text: build ## BM25 of a million short documents beside tantivy (where cargo is)
	@if command -v cargo >/dev/null; then \
		cd bench/tantivy && CARGO_TARGET_DIR=../../build/tantivy cargo build --release --locked; fi
	@$(PYTHON) bench/text_bench.py

sanitize: setup ## Run the C++ tests under ASan+UBSan and under TSan
	@for preset in asan tsan; do \
		cmake --preset $$preset && cmake --build --preset $$preset -j $(JOBS) && ctest --preset $$preset; done

# What works on raw memory and the disk's bytes, and compiles fastest.
SANITIZE_SHORT := longbow_base_test longbow_storage_test longbow_index_test log_crash_test
sanitize-short: setup ## The quick part of sanitize: log, files and indexes under ASan+UBSan
	@[ -f build/asan/build.ninja ] || cmake --preset asan
	@cmake --build --preset asan -j $(JOBS) --target $(SANITIZE_SHORT)
	@ctest --preset asan -R '^($(subst $(eval) ,|,$(SANITIZE_SHORT)))$$'

FUZZ_TARGETS ?= ticket action filter put exchange storage
FUZZ_RUNS ?= 1000000
fuzz: setup ## Fuzz each target FUZZ_RUNS times (clang-14); what is found is left in build/fuzz/findings
	@cmake --preset fuzz && cmake --build --preset fuzz -j $(JOBS) --target $(FUZZ_TARGETS:%=fuzz_%)
	@for target in $(FUZZ_TARGETS); do tools/fuzz $$target $(FUZZ_RUNS); done

prove-fresh-machine: ## Run make test and make demo in a clean Debian 12 root (needs root)
	@tools/prove_fresh_machine

clean: ## Remove what was built; .venv and the compiler cache stay
	rm -rf build bin dist
