#!/usr/bin/env bash
# Black-box checks against a built binary: accept.sh BINARY. Protocol conformance where its checks are at hand, and the
# clients of the original product where they are installed; says so where they are not.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
binary=$(realpath "$1")
checks="$here/../../shared/accept/run.sh"
if [ -f "$checks" ]; then
  bash "$checks" "$binary"
else
  echo "notice: the conformance checks are not here; skipped"
fi
bash "$here/accept-clients.sh" "$binary"
