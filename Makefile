# trackflow: `make help` lists what there is. One build profile serves the program, the tests and the lints.

TORCH_VERSION := 2.11.0
LIBTORCH_DIR := .libtorch
CARGO ?= cargo
SAVE_DIR ?= ./output
# Where `make install` puts the program: PREFIX/bin, with libtorch in PREFIX/lib/trackflow.
PREFIX ?= $(if $(filter 0,$(shell id -u)),/usr/local,$(HOME)/.local)

# A libtorch of your own wins: LIBTORCH=DIR, or LIBTORCH_USE_PYTORCH=1 for the torch of the active Python.
ifneq ($(LIBTORCH)$(LIBTORCH_USE_PYTORCH),)
LIBTORCH_READY :=
else
LIBTORCH_READY := $(LIBTORCH_DIR)/.torch-$(TORCH_VERSION)
endif

# libjpeg-turbo is built from source with cmake, and nasm on x86; without them frames are decoded whole, in Rust.
JPEG_TOOLS := cmake $(if $(filter x86_64 i%86,$(shell uname -m)),nasm)
MISSING_TOOLS = $(foreach tool,$(JPEG_TOOLS),$(if $(shell command -v $(tool)),,$(tool)))
comma := ,
# Looked at when a recipe runs, after `tools`.
FEATURES = $(if $(strip $(MISSING_TOOLS)),--no-default-features --features cpu-kernels$(comma)png)

# All crates; the fuzzer wants a compiler of its own (`make fuzz`), and its targets are tests too.
WORKSPACE := --workspace --exclude trackflow-fuzz
# Tested by themselves, so that the tests of all others neither wait for libtorch nor are linked to it.
LIBTORCH_CRATES := trackflow trackflow-kernels

.PHONY: help tools libtorch build install uninstall dist demo test lint bench bench-peers gpu-pack fuzz soak clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

libtorch: $(LIBTORCH_READY) ## fetch libtorch into .libtorch (the CPU's three wheels; all of torch where nvidia-smi answers)
ifeq ($(LIBTORCH_READY),)
	@echo "using your own libtorch (LIBTORCH=$(LIBTORCH) LIBTORCH_USE_PYTORCH=$(LIBTORCH_USE_PYTORCH))"
endif

$(LIBTORCH_DIR)/.torch-$(TORCH_VERSION):
	@command -v pip3 >/dev/null || { echo "pip3 is missing; install it (Debian, Ubuntu: apt-get install python3-pip)"; exit 1; }
	rm -rf $(LIBTORCH_DIR)
	if nvidia-smi >/dev/null 2>&1; then \
		pip3 install --quiet --disable-pip-version-check --target $(LIBTORCH_DIR) torch==$(TORCH_VERSION); \
	else \
		pip3 install --quiet --disable-pip-version-check --no-deps --target $(LIBTORCH_DIR) \
			torch==$(TORCH_VERSION) nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85; \
	fi
	touch $@

tools: ## install cmake and nasm where that is possible (root, apt-get); they make decoding several times faster
	@missing="$(strip $(MISSING_TOOLS))"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing $$missing, to build libjpeg-turbo"; \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing; } >/dev/null 2>&1 || true; \
	fi; \
	for tool in $$missing; do command -v $$tool >/dev/null || left="$$left $$tool"; done; \
	if [ -n "$$left" ]; then \
		echo "without$$left, frames are decoded whole and several times slower; to change that:"; \
		echo "    sudo apt-get install$$left && make build"; \
	fi

build: libtorch tools ## build the program (target/release/trackflow)
	$(CARGO) build --release --locked $(FEATURES)

# `keep` leaves libtorch where it was found: one with NVIDIA's libraries has gigabytes.
INSTALL_LIBTORCH ?= $(if $(shell nvidia-smi >/dev/null 2>&1 && echo gpu),keep,copy)

install: build ## put the program on the PATH, with manual pages and completions (PREFIX=/usr/local, or ~/.local)
	scripts/lay-out "$(DESTDIR)$(PREFIX)" $(INSTALL_LIBTORCH)
	@echo "installed: $(DESTDIR)$(PREFIX)/bin/trackflow"
	@[ "$(INSTALL_LIBTORCH)" = copy ] || echo "libtorch stays where it is, and has to: $$(ldd target/release/trackflow | sed -nE 's/.*libtorch_cpu.so => (\S+) .*/\1/p')"
	@case ":$$PATH:" in *":$(PREFIX)/bin:"*) ;; *) echo "not on your PATH yet: export PATH=\"$(PREFIX)/bin:\$$PATH\"" ;; esac

uninstall: ## remove what `make install` put there
	rm -f "$(DESTDIR)$(PREFIX)/bin/trackflow" "$(DESTDIR)$(PREFIX)"/share/man/man1/trackflow.1 "$(DESTDIR)$(PREFIX)"/share/man/man1/trackflow-*.1
	rm -f "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/trackflow" "$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_trackflow" "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/trackflow.fish"
	rm -rf "$(DESTDIR)$(PREFIX)/lib/trackflow"

dist: build ## a release archive in target/dist: program, libtorch, files, licences; runs on a bare Debian
	scripts/dist

demo: build ## train the small tracker on synthetic scenes, from nothing to a table of results
	./target/release/trackflow train --script hiptrack --config demo --save_dir $(SAVE_DIR) --mode single

test: libtorch tools ## build and run all tests
	$(CARGO) test --release --locked $(WORKSPACE) $(LIBTORCH_CRATES:%=--exclude %)
	$(CARGO) test --release --locked $(LIBTORCH_CRATES:%=-p %) $(FEATURES)

lint: libtorch tools ## formatting, clippy and documentation, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked $(WORKSPACE) $(FEATURES) --all-targets -- -D warnings
	if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --all-features check; \
	else echo "SKIPPED: licences and advisories of dependencies were not checked: cargo install cargo-deny"; fi
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked $(WORKSPACE) --no-deps --document-private-items $(FEATURES)

bench: libtorch tools ## measure channels, decoding, kernels and the step
	$(CARGO) bench --locked $(FEATURES)
	$(CARGO) run --release --locked $(FEATURES) -- bench step --config demo

bench-peers: build ## clips/s beside what else people load clips with (FRAMES=a folder in GOT-10k layout)
	scripts/bench-peers $(FRAMES)

fuzz: libtorch tools ## coverage-guided fuzzing of all parsers (TARGET=one of them, SECONDS_EACH=60)
	scripts/fuzz $(TARGET)

soak: libtorch tools ## random faults (SCHEDULES=500), then faults for two hours (SOAK_SECONDS=7200): nothing is lost
	TRACKFLOW_SCHEDULES=$(or $(SCHEDULES),500) $(CARGO) test --release --locked $(FEATURES) --test program schedules:: -- --nocapture
	TRACKFLOW_SOAK_SECONDS=$(or $(SOAK_SECONDS),7200) $(CARGO) test --release --locked $(FEATURES) --test program soak:: -- --nocapture

gpu-pack: build ## collect in target/gpu what scripts/gpu-check needs on a machine without a compiler
	mkdir -p target/gpu
	cp target/release/trackflow target/gpu/trackflow
	cp "$$($(CARGO) test --release --locked --no-run --test device --message-format=json \
		| sed -n 's/.*"executable":"\([^"]*\/device-[^"]*\)".*/\1/p')" target/gpu/parity
	strip target/gpu/trackflow target/gpu/parity

clean: ## remove build products, not libtorch
	$(CARGO) clean
