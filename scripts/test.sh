#!/usr/bin/env bash
# Installs what the tests need and runs all of them: formatting, lints, docs, tests, structure, acceptance.
# Everything it installs is kept in ~/.cache/openclaw-tools; a second run only checks.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/openclaw-target}"
export CARGO_INCREMENTAL=0
export RUSTDOCFLAGS="-D warnings"
step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

step "tools"
bash scripts/test-tools.sh

step "format"
cargo fmt --all --check

step "clippy"
cargo clippy --workspace --all-targets --locked -- -D warnings

step "rustdoc"
cargo doc --workspace --no-deps --locked --quiet

step "crash sample"
bash scripts/crash.sh sample

step "build"
cargo build --workspace --bins --locked

step "tests"
cargo nextest run --workspace --locked --no-fail-fast

step "structure"
cargo xtask tidy

step "acceptance"
bash scripts/accept.sh "$CARGO_TARGET_DIR/debug/openclaw"

step "done"
