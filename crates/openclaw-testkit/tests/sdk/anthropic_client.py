"""Anthropic Messages through the official client `anthropic`."""

import anthropic
import httpx
import pydantic
from anthropic.types import Message, RawMessageStreamEvent

from common import BROKEN, CALLS, MODEL, RETURNED, URL, main, raises, sse

client = anthropic.Anthropic(base_url=URL, api_key="key", max_retries=0)
TOOLS = [
    {"name": "read", "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}},
    {"name": "list", "input_schema": {"type": "object", "properties": {}}},
]


def user(text):
    return {"role": "user", "content": text}


def final(messages, **more):
    with client.messages.stream(model=MODEL, max_tokens=2000, messages=messages, **more) as stream:
        for _ in stream:
            pass
        return stream.get_final_message()


def results(message):
    calls = [block for block in message.content if block.type == "tool_use"]
    said = ["one", "two"]
    return user([{"type": "tool_result", "tool_use_id": call.id, "content": said[i]} for i, call in enumerate(calls)])


def check_text_streams_and_adds_up():
    with client.messages.stream(model=MODEL, max_tokens=100, messages=[user("say Hello wörld 🌍 there")]) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert len(pieces) == 4 and "".join(pieces) == "Hello wörld 🌍 there"
    assert message.content[0].text == "Hello wörld 🌍 there"
    assert message.stop_reason == "end_turn" and message.usage.input_tokens == 10 and message.usage.output_tokens == 20


def check_plain_reply_has_the_configured_pieces():
    message = final([user("anything")])
    assert message.content[0].text == "".join(f"tok{i} " for i in range(20))


def check_not_streamed_says_the_same():
    message = client.messages.create(model=MODEL, max_tokens=100, messages=[user("say Hello wörld")])
    assert message.content[0].text == "Hello wörld" and message.stop_reason == "end_turn"


def check_thinking_and_parallel_calls_make_a_round_trip():
    first = final([user(CALLS)], tools=TOOLS, thinking={"type": "enabled", "budget_tokens": 1024})
    assert [block.type for block in first.content] == ["thinking", "tool_use", "tool_use"]
    assert first.content[0].thinking == "Let me think." and first.content[0].signature
    assert first.content[1].input == {"path": 'a "b" 🌍.txt'} and first.content[2].input == {}
    assert first.stop_reason == "tool_use"
    turns = [user(CALLS), {"role": "assistant", "content": first.content}, results(first)]
    assert final(turns, tools=TOOLS).content[0].text == RETURNED


def check_bad_replays_are_refused():
    first = final([user(CALLS)], tools=TOOLS)
    content = [block.model_dump(exclude_none=True) for block in first.content]
    for block in content:
        block.pop("caller", None)

    def refused(word, *turns):
        error = raises(anthropic.BadRequestError, lambda: final([user(CALLS), *turns], tools=TOOLS))
        assert word in str(error), error

    answer = results(first)
    edited = [{**content[0], "thinking": "edited"}, *content[1:]]
    refused("Invalid `signature`", {"role": "assistant", "content": edited}, answer)
    refused("Expected `thinking`", {"role": "assistant", "content": content[1:]}, answer)
    refused("without `tool_result`", {"role": "assistant", "content": content}, user("go on"))
    refused("unexpected `tool_use_id`", answer)
    late = user([{"type": "text", "text": "first"}, *answer["content"]])
    refused("must come first", {"role": "assistant", "content": content}, late)
    refused("prefill", {"role": "assistant", "content": "I"})
    refused("non-whitespace", user([{"type": "text", "text": " "}]))


def check_errors_are_the_types_of_the_vendor():
    kinds = {
        "auth": (anthropic.AuthenticationError, 401),
        "permission": (anthropic.PermissionDeniedError, 403),
        "quota": (anthropic.BadRequestError, 400),
        "rate-limit": (anthropic.RateLimitError, 429),
        "overloaded": (anthropic.APIStatusError, 529),
        "overflow": (anthropic.BadRequestError, 400),
        "no-model": (anthropic.NotFoundError, 404),
        "too-large": (anthropic.APIStatusError, 413),
        "server": (anthropic.InternalServerError, 500),
        "html": (anthropic.InternalServerError, 502),
    }
    for kind, (expected, status) in kinds.items():
        error = raises(expected, lambda: final([user(f"error {kind}")]))
        assert error.status_code == status, (kind, error)
        if kind != "html":
            assert error.body["type"] == "error" and error.request_id == "req_scripted", (kind, error.body)


def check_broken_streams():
    error = raises(anthropic.APIStatusError, lambda: final([user("break")]))
    assert error.body["error"]["type"] == "overloaded_error", error.body
    assert final([user("cut")]).stop_reason is None
    raises(BROKEN, lambda: final([user("reset")]))


def check_every_frame_is_valid_to_the_letter():
    event = pydantic.TypeAdapter(RawMessageStreamEvent)
    headers = {"x-api-key": "key", "anthropic-version": "2023-06-01"}
    for text in ["anything", CALLS]:
        body = {"model": MODEL, "max_tokens": 100, "stream": True, "messages": [user(text)]}
        frames = sse("/v1/messages", body, headers)
        assert len(frames) > 5
        for frame in frames:
            event.validate_python(frame)
        raises(pydantic.ValidationError, lambda: event.validate_python({**frames[0], "message": {"id": "m"}}))
        reply = httpx.post(URL + "/v1/messages", json={**body, "stream": False}, headers=headers)
        Message.model_validate(reply.json())


def check_models_and_tokens_can_be_asked():
    assert [model.id for model in client.models.list()] == ["mock-1", "mock-2"]
    assert client.models.retrieve(MODEL).id == MODEL
    assert client.messages.count_tokens(model=MODEL, messages=[user("hi")]).input_tokens > 0


main(globals())
