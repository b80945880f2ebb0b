"""Ollama chat through the official client `ollama`."""

import httpx
import ollama

from common import BROKEN, CALLS, MODEL, RETURNED, URL, main, raises

client = ollama.Client(host=URL)
TOOLS = [{"type": "function", "function": {"name": n, "description": n, "parameters": {"type": "object", "properties": {}}}} for n in ["read", "list"]]


def user(text):
    return {"role": "user", "content": text}


def stream(messages, **more):
    return list(client.chat(model=MODEL, messages=messages, stream=True, **more))


def check_text_streams_and_adds_up():
    lines = stream([user("say Hello wörld 🌍")])
    assert "".join(line.message.content for line in lines) == "Hello wörld 🌍"
    assert lines[-1].done and lines[-1].done_reason == "stop"
    assert (lines[-1].prompt_eval_count, lines[-1].eval_count) == (10, 20)
    assert client.chat(model=MODEL, messages=[user("say Hello")]).message.content == "Hello"


def check_thinking_and_parallel_calls_make_a_round_trip():
    lines = stream([user(CALLS)], tools=TOOLS, think=True)
    assert "".join(line.message.thinking or "" for line in lines) == "Let me think."
    calls = [call for line in lines for call in line.message.tool_calls or []]
    assert [(call.function.name, call.function.arguments) for call in calls] == [("read", {"path": 'a "b" 🌍.txt'}), ("list", {})]
    turn = {"role": "assistant", "content": "", "thinking": "Let me think.", "tool_calls": calls}
    results = [{"role": "tool", "tool_name": c.function.name, "content": said} for c, said in zip(calls, ["one", "two"])]
    again = stream([user(CALLS), turn, *results], tools=TOOLS)
    assert "".join(line.message.content for line in again) == RETURNED


def check_errors_carry_the_status_and_the_words():
    kinds = {"auth": 401, "quota": 429, "overloaded": 503, "overflow": 400, "no-model": 404, "thinking": 400, "server": 500}
    for kind, status in kinds.items():
        error = raises(ollama.ResponseError, lambda: stream([user(f"error {kind}")]))
        assert error.status_code == status and error.error, (kind, error)


def check_refusals():
    def refused(word, act):
        error = raises(ollama.ResponseError, act)
        assert word in error.error and error.status_code == 400, error

    refused("does not support thinking", lambda: client.chat(model="plain", messages=[user("x")], think=True))
    refused("does not support tools", lambda: client.chat(model="plain", messages=[user("x")], tools=TOOLS))
    call = {"function": {"name": "read", "arguments": '{"path": "a"}'}}
    body = {"model": MODEL, "messages": [user("x"), {"role": "assistant", "content": "", "tool_calls": [call]}]}
    reply = httpx.post(URL + "/api/chat", json=body)
    assert reply.status_code == 400 and "cannot unmarshal string" in reply.json()["error"]
    long = {"model": MODEL, "messages": [user("x" * 40_000)], "truncate": False}
    reply = httpx.post(URL + "/api/chat", json=long)
    assert reply.status_code == 400 and "context length" in reply.json()["error"]
    assert httpx.post(URL + "/api/chat", json={**long, "options": {"num_ctx": 32768}}).status_code == 200


def check_broken_streams():
    raises(ollama.ResponseError, lambda: stream([user("break")]))
    assert not stream([user("cut")])[-1].done
    raises(BROKEN, lambda: stream([user("reset")]))


def check_models_can_be_asked():
    assert [model.model for model in client.list().models] == ["mock-1", "mock-2"]
    assert "tools" in client.show(MODEL).capabilities
    assert [model.model for model in client.ps().models] == ["mock-1", "mock-2"]
    assert raises(ollama.ResponseError, lambda: client.show("mock-9")).status_code == 404


main(globals())
