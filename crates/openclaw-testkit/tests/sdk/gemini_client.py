"""Gemini generateContent through the official client `google-genai`."""

import httpx
import pydantic
from google import genai
from google.genai import errors, types

from common import BROKEN, CALLS, MODEL, RETURNED, URL, main, raises, sse

OPTIONS = types.HttpOptions(base_url=URL, api_version="v1beta")
client = genai.Client(api_key="key", http_options=OPTIONS)
TOOLS = [
    types.Tool(function_declarations=[types.FunctionDeclaration(name=name, description=name) for name in ["read", "list"]])
]
CONFIG = types.GenerateContentConfig(
    tools=TOOLS, automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
)


def user(*parts):
    return types.Content(role="user", parts=list(parts))


def said(text):
    return user(types.Part(text=text))


def stream(contents, config=CONFIG):
    return list(client.models.generate_content_stream(model=MODEL, contents=contents, config=config))


def parts(chunks):
    found = [chunk.candidates[0].content for chunk in chunks if chunk.candidates]
    return [part for content in found if content and content.parts for part in content.parts]


def check_text_streams_and_adds_up():
    chunks = stream("say Hello wörld 🌍")
    assert "".join(chunk.text or "" for chunk in chunks) == "Hello wörld 🌍"
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    usage = chunks[-1].usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (10, 20, 30)
    whole = client.models.generate_content(model=MODEL, contents="say Hello wörld 🌍")
    assert whole.text == "Hello wörld 🌍"


def check_thoughts_are_marked_and_signed():
    found = parts(stream("think"))
    assert "".join(part.text for part in found if part.thought) == "Let me think."
    assert "".join(part.text for part in found if not part.thought) == "Thought about."
    assert found[-1].thought_signature


def check_parallel_calls_make_a_round_trip():
    found = parts(stream([said(CALLS)]))
    calls = [part for part in found if part.function_call]
    assert [(part.function_call.name, part.function_call.args) for part in calls] == [
        ("read", {"path": 'a "b" 🌍.txt'}),
        ("list", {}),
    ]
    assert calls[0].thought_signature and not calls[1].thought_signature
    turn = types.Content(role="model", parts=calls)

    def result(part, text):
        call = part.function_call
        return types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": text}))

    results = [result(calls[0], "one"), result(calls[1], "two")]
    assert parts(stream([said(CALLS), turn, user(*results)]))[0].text == "The "
    text = "".join(part.text for part in parts(stream([said(CALLS), turn, user(*results)])))
    assert text == RETURNED

    def refused(word, *contents):
        error = raises(errors.ClientError, lambda: stream([said(CALLS), *contents]))
        assert word in str(error), error

    bare = [part.model_copy(update={"thought_signature": None}) for part in calls]
    refused("missing a thought_signature", types.Content(role="model", parts=bare), user(*results))
    wrong = [calls[0].model_copy(update={"thought_signature": b"wrong"}), calls[1]]
    refused("Corrupted", types.Content(role="model", parts=wrong), user(*results))
    refused("number of function response parts", turn, user(results[0]))
    refused("name and id match", turn, user(results[1], results[0]))
    refused("valid role", types.Content(role="assistant", parts=[types.Part(text="x")]), said("y"))
    refused("end with a user role", types.Content(role="model", parts=[types.Part(text="x")]))


def check_errors_are_the_types_of_the_vendor():
    kinds = {
        "auth": (errors.ClientError, 400, "INVALID_ARGUMENT"),
        "permission": (errors.ClientError, 403, "PERMISSION_DENIED"),
        "quota": (errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
        "rate-limit": (errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
        "overloaded": (errors.ServerError, 503, "UNAVAILABLE"),
        "overflow": (errors.ClientError, 400, "INVALID_ARGUMENT"),
        "no-model": (errors.ClientError, 404, "NOT_FOUND"),
        "server": (errors.ServerError, 500, "INTERNAL"),
    }
    for kind, (expected, code, status) in kinds.items():
        error = raises(expected, lambda: stream(f"error {kind}"))
        assert (error.code, error.status) == (code, status), (kind, error)
    raises(errors.ServerError, lambda: stream("error html"))
    details = raises(errors.ClientError, lambda: stream("error quota")).details["error"]["details"]
    assert any("PerDay" in str(detail) for detail in details), details


def check_broken_streams():
    error = raises(errors.APIError, lambda: stream("break"))
    assert error.code == 503, error
    assert stream("cut")[-1].candidates[0].finish_reason is None
    raises(BROKEN, lambda: stream("reset"))


def check_every_frame_is_valid_to_the_letter():
    class Strict(types.GenerateContentResponse):
        model_config = {**types.GenerateContentResponse.model_config, "extra": "forbid"}

    headers = {"x-goog-api-key": "key"}
    for text in ["anything", CALLS]:
        body = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        for frame in sse(f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse", body, headers):
            Strict.model_validate(frame)
            raises(pydantic.ValidationError, lambda: Strict.model_validate({**frame, "surplus": 1}))
        array = httpx.post(f"{URL}/v1beta/models/{MODEL}:streamGenerateContent", json=body, headers=headers).json()
        assert len(array) > 2
        for frame in array:
            Strict.model_validate(frame)


def check_models_and_tokens_can_be_asked():
    assert [model.name for model in client.models.list()] == ["models/mock-1", "models/mock-2"]
    assert client.models.count_tokens(model=MODEL, contents="hi").total_tokens > 0


main(globals())
