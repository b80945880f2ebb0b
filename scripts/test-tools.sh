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
  if ! command -v python3 >/dev/null; then
    say "python3 is missing; install it to run the model client tests" >&2
    return 1
  fi
  mkdir -p "$tools"
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${python_packages[@]}"
  printf '%s' "${python_packages[*]}" > "$stamp"
  say "python clients installed in $venv"
}

python_tools
