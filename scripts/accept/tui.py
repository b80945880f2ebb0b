#!/usr/bin/env python3
"""Drives a terminal program: waits for it, types a message, waits for a streamed reply on its screen.

usage: tui.py MESSAGE EXPECTED COMMAND [ARG ...]
"""
import os, pty, re, select, signal, struct, sys, termios, time, fcntl

message, expected, command = sys.argv[1], sys.argv[2], sys.argv[3:]
pid, master = pty.fork()
if pid == 0:
    os.environ.update(TERM="xterm-256color", LANG="C.UTF-8")
    os.execvp(command[0], command)
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")
seen = ""

def read(seconds):
    """Reads what comes within the time; answers the questions terminals are asked."""
    global seen
    end = time.time() + seconds
    while time.time() < end:
        ready, _, _ = select.select([master], [], [], 0.1)
        if not ready: continue
        try: data = os.read(master, 65536).decode("utf-8", "replace")
        except OSError: return False
        if "\x1b[6n" in data: os.write(master, b"\x1b[1;1R")
        if "\x1b[c" in data: os.write(master, b"\x1b[?62;22c")
        seen += data
    return True

def text(): return re.sub(r"\s+", " ", ESCAPES.sub("", seen))

def wait(what, fits, seconds):
    end = time.time() + seconds
    while time.time() < end:
        alive = read(0.3)
        if fits(): return
        if not alive: break
    sys.stderr.write(f"waited for {what}; the screen had:\n{text()[-2000:]}\n")
    os.kill(pid, signal.SIGKILL); sys.exit(1)

wait("the program to connect", lambda: re.search(r"connected|ready|idle|> ?$|gateway", text(), re.I), 60)
read(3)
before = len(text())
os.write(master, message.encode()); read(0.5); os.write(master, b"\r")
wait(f"{expected!r}", lambda: expected in text()[before:], 60)
print(f"the reply was rendered: ...{text()[before:][max(0, text()[before:].find(expected) - 60):][:80]}")
os.write(master, b"\x03\x03"); read(0.5)
try: os.kill(pid, signal.SIGTERM)
except ProcessLookupError: pass
