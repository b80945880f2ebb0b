#!/usr/bin/env bash
# Kills the gateway at every write of its journal and checks what is left (docs/reference/durability.md).
#   scripts/crash.sh                  the whole matrix
#   scripts/crash.sh sample [SEED]    a part of it, for every push
#   scripts/crash.sh planted          shows that planted bugs are found
#   scripts/crash.sh soak [MINUTES]   a kill every two seconds under 50 conversations
#   scripts/crash.sh boot [RUNS]      how soon many open runs go on after a restart
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/openclaw-target}"
export CARGO_INCREMENTAL=0
gateway="$CARGO_TARGET_DIR/openclaw-crash-points"
chaos="$CARGO_TARGET_DIR/openclaw-chaos-run"

# Under names of their own: the plain program is built to the same place, and commands of a soak must not lose theirs.
cargo build --locked --quiet -p openclaw-app --features openclaw-app/crash-points
cp -f "$CARGO_TARGET_DIR/debug/openclaw" "$gateway"
cargo build --locked --quiet -p openclaw-chaos
cp -f "$CARGO_TARGET_DIR/debug/openclaw-chaos" "$chaos"

case "${1:-matrix}" in
  matrix) "$chaos" matrix --binary "$gateway" --report "$CARGO_TARGET_DIR/crash-matrix.json" ;;
  sample) "$chaos" matrix --binary "$gateway" --sample 80 ${2:+--seed "$2"} ;;
  # Built beside the copy: cargo takes packages of two copies of a tree for the same, and a planted bug must not stay.
  planted) "$chaos" planted --copy "$CARGO_TARGET_DIR/planted" ;;
  soak) "$chaos" soak --binary "$gateway" --minutes "${2:-5}" ;;
  boot) "$chaos" boot --binary "$gateway" --runs "${2:-1000}" ;;
  *) sed -n '2,7p' "$0"; exit 2 ;;
esac
