# The two commands: make run, make test. The rest is for those who work on it.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
DATA    ?= .demo
BIN      = bin/sallyport

export CGO_ENABLED = 0

.PHONY: run build build-pkcs11 build-boring test check lint bench benchgo fuzz clean help

help:      ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

run: build ## build and start the demo; Ctrl-C stops it. DATA=dir chooses its folder, ARGS="--listen-sandbox 127.0.0.1:0" its addresses
	@exec $(BIN) demo --data $(DATA) $(ARGS)

build:     ## build bin/sallyport
	@mkdir -p bin
	@test -x $(BIN) || echo "Building $(BIN); the first time that takes a minute."
	@$(GO) build -trimpath -ldflags "-s -w -X github.com/sallyport-dev/sallyport/internal/cli.linkedVersion=$(VERSION)" -o $(BIN) ./cmd/sallyport

build-pkcs11: ## build bin/sallyport with cgo, for signing keys in a security module
	@mkdir -p bin
	@CGO_ENABLED=1 $(GO) build -trimpath -ldflags "-s -w -X github.com/sallyport-dev/sallyport/internal/cli.linkedVersion=$(VERSION)" -o $(BIN) ./cmd/sallyport

build-boring: ## build bin/sallyport-boring, whose RSA is BoringCrypto's; docs/operate.md
	@mkdir -p bin
	@CGO_ENABLED=1 GOEXPERIMENT=boringcrypto $(GO) build -trimpath -ldflags "-s -w -X github.com/sallyport-dev/sallyport/internal/cli.linkedVersion=$(VERSION)" -o $(BIN)-boring ./cmd/sallyport

test:      ## install what the tests need, and run all of them
	@./scripts/test-setup
	CI=true CGO_ENABLED=1 $(GO) test -race -shuffle=on -timeout 15m ./...

check: lint test ## what a change has to pass

lint: bin/golangci-lint ## vet, format, golangci-lint (pinned in tools/go.mod)
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	nice -n 10 bin/golangci-lint run ./...

# Built when its pin moves: cold it takes some CPU-minutes, so one package at a time.
bin/golangci-lint: tools/go.mod tools/go.sum
	@mkdir -p bin
	cd tools && nice -n 10 $(GO) build -p 1 -trimpath -ldflags "-s -w" -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

bench:     ## measure tokens beside the bare signature, and calls beside other proxies; docs/performance.md. ARGS="-parts timing" a part of it
	@mkdir -p bin
	$(GO) test -c -o bin/server.test ./internal/server
	$(GO) run ./test/bench -server bin/server.test -json bin/bench.json $(ARGS)

benchgo:   ## Go benchmarks of the hot paths, within one process
	$(GO) test -run '^$$' -bench . -benchmem -benchtime 1s ./internal/token ./internal/server

fuzz:      ## run every fuzz target for FUZZTIME (default 20s)
	@./scripts/fuzz $(or $(FUZZTIME),20s)

clean:     ## remove what was built, and the demo's data
	rm -rf bin $(DATA)
