# trackflow: `make help` lists what there is. One build profile serves the program, the tests and the lints.

TORCH_VERSION := 2.11.0
LIBTORCH_DIR := .libtorch
CARGO ?= cargo
SAVE_DIR ?= ./output

# A libtorch of your own wins: LIBTORCH=DIR, or LIBTORCH_USE_PYTORCH=1 for the torch of the active Python.
ifneq ($(LIBTORCH)$(LIBTORCH_USE_PYTORCH),)
LIBTORCH_READY :=
else
LIBTORCH_READY := $(LIBTORCH_DIR)/.torch-$(TORCH_VERSION)
endif

.PHONY: help libtorch build demo test lint bench gpu-pack clean
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

build: libtorch ## build the program (target/release/trackflow)
	$(CARGO) build --release --locked

demo: build ## train the small tracker on synthetic scenes, from nothing to a table of results
	./target/release/trackflow train --script hiptrack --config demo --save_dir $(SAVE_DIR) --mode single

test: libtorch ## build and run all tests
	$(CARGO) test --release --locked

lint: libtorch ## formatting and clippy, warnings are errors
	$(CARGO) fmt --check
	$(CARGO) clippy --release --locked --all-targets -- -D warnings

bench: libtorch ## measure channels and the step
	$(CARGO) bench --locked

gpu-pack: build ## collect in target/gpu what scripts/gpu-check needs on a machine without a compiler
	mkdir -p target/gpu
	cp target/release/trackflow target/gpu/trackflow
	cp "$$($(CARGO) test --release --locked --no-run --test device --message-format=json \
		| sed -n 's/.*"executable":"\([^"]*\/device-[^"]*\)".*/\1/p')" target/gpu/parity
	strip target/gpu/trackflow target/gpu/parity

clean: ## remove build products, not libtorch
	$(CARGO) clean
