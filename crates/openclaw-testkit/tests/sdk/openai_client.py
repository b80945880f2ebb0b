"""OpenAI Chat Completions and Responses through the official client `openai`."""

import httpx
import openai
import pydantic
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent

from common import BROKEN, CALLS, MODEL, RETURNED, URL, main, raises, sse

client = openai.OpenAI(base_url=URL + "/v1", api_key="key", max_retries=0)
HEADERS = {"authorization": "Bearer key"}
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}
CHAT_TOOLS = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in ["read", "list"]]
FLAT_TOOLS = [{"type": "function", "name": name, "parameters": SCHEMA, "strict": False} for name in ["read", "list"]]


def user(text):
    return {"role": "user", "content": text}


def chat(messages, **more):
    with client.chat.completions.stream(model=MODEL, messages=messages, **more) as stream:
        for _ in stream:
            pass
        return stream.get_final_completion()


def respond(input, **more):
    more = {"store": False, **more}
    with client.responses.stream(model=MODEL, input=input, **more) as stream:
        for _ in stream:
            pass
        return stream.get_final_response()


def check_chat_text_streams_and_adds_up():
    pieces, usage, finish = [], None, None
    options = {"include_usage": True}
    for chunk in client.chat.completions.create(
        model=MODEL, messages=[user("say Hello wörld 🌍")], stream=True, stream_options=options
    ):
        if chunk.choices:
            pieces.append(chunk.choices[0].delta.content or "")
            finish = chunk.choices[0].finish_reason or finish
        usage = chunk.usage or usage
    assert "".join(pieces) == "Hello wörld 🌍" and finish == "stop"
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (10, 20, 30)
    whole = client.chat.completions.create(model=MODEL, messages=[user("say Hello wörld 🌍")])
    assert whole.choices[0].message.content == "Hello wörld 🌍"
    plain = chat([user("anything")])
    assert plain.choices[0].message.content == "".join(f"tok{i} " for i in range(20))


def check_chat_parallel_calls_make_a_round_trip():
    first = chat([user(CALLS)], tools=CHAT_TOOLS).choices[0]
    calls = first.message.tool_calls
    assert first.finish_reason == "tool_calls" and [call.function.name for call in calls] == ["read", "list"]
    assert calls[0].function.arguments == '{"path":"a \\"b\\" 🌍.txt"}' and calls[1].function.arguments == "{}"
    assert first.message.reasoning_content == "Let me think."
    asked = [{"id": c.id, "type": "function", "function": {"name": c.function.name, "arguments": c.function.arguments}} for c in calls]
    turn = {"role": "assistant", "content": None, "tool_calls": asked}
    results = [{"role": "tool", "tool_call_id": c.id, "content": said} for c, said in zip(calls, ["one", "two"])]
    assert chat([user(CALLS), turn, *results], tools=CHAT_TOOLS).choices[0].message.content == RETURNED

    def refused(word, *turns):
        error = raises(openai.BadRequestError, lambda: chat([user(CALLS), *turns], tools=CHAT_TOOLS))
        assert word in str(error), error

    refused("did not have response messages", turn, results[0], user("go on"))
    refused("must be a response", results[0])
    refused("got null", {"role": "assistant", "content": None})


def check_chat_errors_are_the_types_of_the_vendor():
    kinds = {
        "auth": (openai.AuthenticationError, 401, "invalid_api_key"),
        "permission": (openai.PermissionDeniedError, 403, "unsupported_country_region_territory"),
        "quota": (openai.RateLimitError, 429, "insufficient_quota"),
        "rate-limit": (openai.RateLimitError, 429, "rate_limit_exceeded"),
        "overloaded": (openai.InternalServerError, 503, "server_is_overloaded"),
        "overflow": (openai.BadRequestError, 400, "context_length_exceeded"),
        "no-model": (openai.NotFoundError, 404, "model_not_found"),
        "server": (openai.InternalServerError, 500, None),
        "html": (openai.InternalServerError, 502, None),
    }
    for kind, (expected, status, code) in kinds.items():
        for act in [chat, respond]:
            error = raises(expected, lambda: act([user(f"error {kind}")]))
            assert (error.status_code, error.code) == (status, code), (kind, error)
            if kind != "html":
                assert error.request_id == "req_scripted", kind


def check_chat_broken_streams():
    error = raises(openai.APIError, lambda: chat([user("break")]))
    assert "middle of the stream" in str(error), error
    pieces = client.chat.completions.create(model=MODEL, messages=[user("cut")], stream=True)
    assert [chunk.choices[0].finish_reason for chunk in pieces] == [None, None, None]
    raises((openai.APIConnectionError, *BROKEN), lambda: chat([user("reset")]))


def check_chat_frames_are_valid_to_the_letter():
    for text in ["anything", CALLS]:
        body = {"model": MODEL, "messages": [user(text)], "stream": True, "stream_options": {"include_usage": True}}
        frames = sse("/v1/chat/completions", body, HEADERS)
        assert len(frames) > 5
        for frame in frames:
            ChatCompletionChunk.model_validate(frame)
            raises(pydantic.ValidationError, lambda: ChatCompletionChunk.model_validate({**frame, "created": None}))
        whole = {"model": MODEL, "messages": [user(text)]}
        ChatCompletion.model_validate(httpx.post(URL + "/v1/chat/completions", json=whole, headers=HEADERS).json())


def check_responses_text_streams_and_adds_up():
    with client.responses.stream(model=MODEL, input="say Hello wörld 🌍") as stream:
        pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
        response = stream.get_final_response()
    assert "".join(pieces) == "Hello wörld 🌍" == response.output_text
    assert response.status == "completed" and response.usage.total_tokens == 30
    assert client.responses.create(model=MODEL, input="say Hello").output_text == "Hello"


def check_responses_reasoning_and_parallel_calls_make_a_round_trip():
    first = respond([user(CALLS)], tools=FLAT_TOOLS)
    assert [item.type for item in first.output] == ["reasoning", "function_call", "function_call"]
    assert first.output[0].summary[0].text == "Let me think." and first.output[0].encrypted_content
    assert first.output[1].arguments == '{"path":"a \\"b\\" 🌍.txt"}' and first.output[2].arguments == "{}"
    items = []
    for item in first.output:
        kept = item.model_dump(exclude_none=True, include={"type", "summary", "encrypted_content", "call_id", "name", "arguments"})
        items.append(kept)
    said = ["one", "two"]
    results = [{"type": "function_call_output", "call_id": item["call_id"], "output": said[i]} for i, item in enumerate(items[1:])]
    assert respond([user(CALLS), *items, *results], tools=FLAT_TOOLS).output_text == RETURNED

    def refused(word, *more, **options):
        asked = {"model": MODEL, "store": False, "tools": FLAT_TOOLS, **options}
        error = raises(openai.BadRequestError, lambda: client.responses.create(input=[user(CALLS), *more], **asked))
        assert word in str(error), error

    refused("No tool output found", *items)
    refused("No tool call found", *results)
    refused("required 'reasoning' item", *items[1:], *results)
    refused("required following item", items[0], user("go on"))
    refused("not persisted", {**items[0], "id": "rs_1"}, *items[1:], *results)
    refused("could not be verified", {**items[0], "encrypted_content": "gAAAAB"}, *items[1:], *results)
    refused("tools[0].name", tools=CHAT_TOOLS)
    refused("additionalProperties", tools=[{k: v for k, v in FLAT_TOOLS[0].items() if k != "strict"}])


def check_responses_broken_streams():
    for words in ["break", "cut"]:
        raises(RuntimeError, lambda: respond(words))
    raises((openai.APIConnectionError, *BROKEN), lambda: respond("reset"))
    kinds = [event.type for event in client.responses.create(model=MODEL, input="break", stream=True)]
    assert kinds[-1] == "response.failed", kinds


def check_responses_frames_are_valid_to_the_letter():
    event = pydantic.TypeAdapter(ResponseStreamEvent)
    for text in ["anything", CALLS]:
        body = {"model": MODEL, "input": text, "stream": True}
        frames = sse("/v1/responses", body, HEADERS)
        assert [frame["sequence_number"] for frame in frames] == list(range(len(frames)))
        for frame in frames:
            event.validate_python(frame)
            raises(pydantic.ValidationError, lambda: event.validate_python({**frame, "sequence_number": None}))
        Response.model_validate(httpx.post(URL + "/v1/responses", json={"model": MODEL, "input": text}, headers=HEADERS).json())


def check_models_can_be_asked():
    assert [model.id for model in client.models.list()] == ["mock-1", "mock-2"]
    assert client.responses.input_tokens.count(model=MODEL, input="hi").input_tokens > 0


main(globals())
