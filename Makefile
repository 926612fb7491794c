# Thin: Meson knows how to build, tools/ how to test.  `make help` lists the targets.
.PHONY: help setup build run test quick asan tsan fuzz fuzz-long e2e bench lint fmt docs clean
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14
setup: ## install what build and tests need
	tools/setup test
build: ## the release binary
	./run --build-only
run: ## build and start with demo data
	./run
test: ## every test
	./test
quick: ## structure checks and unit tests only
	./test --quick
asan: ## unit tests under AddressSanitizer and UBSan
	./test asan
tsan: ## unit tests under ThreadSanitizer
	./test tsan
fuzz: ## every fuzz target for 60 s
	TELLTALE_FUZZ_SECONDS=60 ./test fuzz
fuzz-long: ## every fuzz target for an hour
	TELLTALE_FUZZ_SECONDS=3600 ./test fuzz
e2e: ## real clients against the real binary
	./test e2e
bench: ## speed and memory table
	tools/bench
lint: ## clang-tidy and cppcheck
	tools/lint
fmt: ## clang-format over our sources
	clang-format -i $$(git ls-files '*.c' '*.h')
docs: ## docs that are made from tables
	tools/requirements
clean: ## remove what was built
	rm -rf build web/dist
