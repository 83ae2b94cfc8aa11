# Each recipe is one command that also works without just.

# Builds the first-party tools, does real work with them, stops an attacker.
demo:
    cargo run --release -- demo

# Everything that must pass.
test:
    cargo test

# Garbage that is nearly right, twenty times as much of it as the tests try.
fuzz rounds="20":
    TOOLCELL_FUZZ_ROUNDS={{rounds}} cargo test --test toolcell fuzz:: -- --nocapture

# Runs that are killed a dozen times each, and what the upstream saw of them.
kill rounds="20":
    TOOLCELL_KILL_ROUNDS={{rounds}} cargo test --test cli kill:: -- --nocapture

# Calls of the real tools with something wrong, all of them, and what becomes of them stage by stage.
evaluate:
    TOOLCELL_EVALUATION=full cargo test --test toolcell evaluation:: -- --nocapture --test-threads=1

# Formatting and lints, as CI checks them.
check:
    cargo fmt --all --check && cargo clippy --workspace --all-targets -- -D warnings

# Host::call against a bare Wasmtime loop, in one run.
bench:
    cargo bench --bench call

# What a plan and the layers cost, against the bare calls, in one run.
bench-plan:
    cargo bench --bench plan

# What CI runs.
ci:
    bash .ci/run

# A new tool's folder in tools-wasm.
new name:
    cargo run --release -- new {{name}} --path tools-wasm

# Builds the first-party tools into the tools folder.
tools:
    cargo run --release -- build tools-wasm/json tools-wasm/table tools-wasm/search tools-wasm/graph tools-wasm/leads tools-wasm/http tools-wasm/websearch tools-wasm/enrich tools-wasm/postgrest tools-wasm/compute tools-wasm/notify

# What building needs and whether it is there.
doctor:
    cargo run --release -- doctor
