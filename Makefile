# Short targets, no logic: what they run can be typed by hand.
GO          ?= go
STATICCHECK  = honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 5s
TORTURE_TIME ?= 1h
BENCH       ?=
export GOFLAGS += -buildvcs=false

.PHONY: build deps demo demo-swarm test race lint fuzz bench torture clean

build:
	$(GO) build -trimpath -o bin/pifs ./cli/pifs

deps:
	./integration/deps.sh

test: deps
	test -z "$$(gofmt -l $$(git ls-files '*.go'))"
	$(GO) vet ./...
	$(GO) test -p 1 -timeout 30m ./...
	$(MAKE) race

race:
	$(GO) test -p 1 -race -timeout 15m ./blockstore/... ./cache/... ./swarm/... ./fsnode/... ./mount/...
	$(GO) test -race -timeout 15m -skip 'TestCrashPoints|TestFaultPoints|TestFsyncThatFailed' ./cli/...
	PIFS_TEST_BUILD=-race $(GO) test -run 'Scripts|Kill|Stores|Root|Busy' ./integration

lint: deps
	$(GO) run $(STATICCHECK) ./...
	$(GO) mod tidy -diff

fuzz:
	./integration/fuzz.sh $(FUZZTIME)

demo: deps build
	$(GO) run ./integration/demo -pifs bin/pifs

demo-swarm: deps build
	$(GO) run ./integration/demo -pifs bin/pifs -swarm

bench: deps
	$(GO) run ./integration/bench $(BENCH)

torture: deps
	$(GO) run ./integration/torture -time $(TORTURE_TIME)

clean:
	rm -rf bin
