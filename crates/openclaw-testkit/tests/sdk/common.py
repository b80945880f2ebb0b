"""What the scripts share: the server's address, raw frames, and a small runner.

Each script plays the scripted model server (started by the Rust test, address in
argv[1]) through one official client and asserts what the client saw.
"""

import json
import sys
import traceback

import httpx

try:  # newer clients bring a successor of httpx along
    import httpx2
except ImportError:
    httpx2 = httpx

BROKEN = (httpx.RemoteProtocolError, httpx2.RemoteProtocolError)
URL = sys.argv[1]
MODEL = "mock-1"
CALLS = 'think, then call read {"path": "a \\"b\\" 🌍.txt"} and call list {}'
RETURNED = "The tools returned: one; two"


def sse(path, body, headers):
    """Returns the decoded data of every frame, as they came over the wire."""
    frames = []
    with httpx.stream("POST", URL + path, json=body, headers=headers) as reply:
        assert reply.status_code == 200, reply.read()
        for line in reply.iter_lines():
            if line.startswith("data: ") and not line.startswith("data: [DONE]"):
                frames.append(json.loads(line[6:]))
    return frames


def raises(kind, act):
    """Returns the error of this kind (or these kinds) that `act` raises."""
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind}, nothing was raised")


def main(scope):
    """Runs every function named `check_*` and reports each."""
    failed = 0
    checks = [(name, check) for name, check in scope.items() if name.startswith("check_")]
    for name, check in checks:
        try:
            check()
            print(f"ok {name}")
        except Exception:  # every failure is to be shown, not the first one only
            failed += 1
            print(f"FAILED {name}")
            traceback.print_exc(file=sys.stdout)
    print(f"{len(checks) - failed} of {len(checks)} passed")
    sys.exit(1 if failed or not checks else 0)
