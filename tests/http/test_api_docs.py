"""What README and docs/api.md show of the API is run against a live server."""

import contextlib
import io
import json
import re
import shlex
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
HOST = "http://127.0.0.1:8000"


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^[ ]*```{language}\n(.*?)```", text, re.M | re.S)


def here(text: str, client: httpx.Client) -> str:
    """For this server, and users that its store has."""
    text = text.replace(HOST, str(client.base_url)).replace("Film-Noir", "War")
    return re.sub(r"\b(196|22)\b", "u1", text).replace('"50"', '"00"')


PYTHON = [one for one in [*blocks(README, "python"), *blocks(API, "python")] if HOST in one]


@pytest.mark.parametrize("code", PYTHON)
def test_the_python_that_is_shown_works(client: httpx.Client, code: str) -> None:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(here(code, client), "docs", "exec"), {})
    assert said.getvalue().strip()


def test_the_requests_that_are_shown_work(client: httpx.Client) -> None:
    commands = [
        shlex.split(command.replace("\\\n", " "))
        for block in [*blocks(README, "sh"), *blocks(API, "sh")]
        for command in re.findall(r"^curl .*?(?=^curl |\Z)", here(block, client), re.M | re.S)
    ]
    assert len(commands) >= 5
    shown = client.get("/v1/users/u1/recommendations").json()
    talk = ""
    for words in commands:
        url = next(word for word in words if word.startswith("http"))
        headers = dict(
            one.split(": ") for one, flag in zip(words[1:], words, strict=False) if flag == "-H"
        )
        body = next(
            (one for one, flag in zip(words[1:], words, strict=False) if flag == "-d"), None
        )
        if body is not None:
            body = body.replace("r1f0c…", shown["recommendation_id"]).replace("c…", talk)
            body = body.replace('"00"', json.dumps(shown["recommendations"][0]["item"]["item_id"]))
        answer = client.request("POST" if body else "GET", url, headers=headers, content=body)
        assert answer.status_code == 200, (words, answer.text)
        if answer.headers["content-type"] == "application/json":
            talk = answer.json().get("conversation_id", talk)


def test_every_path_is_told(client: httpx.Client) -> None:
    """By its last words at least."""
    paths = [path for path in client.get("/openapi.json").json()["paths"] if path.startswith("/v1")]
    tails = {path: re.sub(r"\{\w+\}", "", path).rstrip("/").rsplit("/", 1)[-1] for path in paths}
    assert [path for path, tail in tails.items() if tail not in API] == []


def test_the_edit_that_is_shown_is_one(client: httpx.Client) -> None:
    [edit] = [json.loads(one) for one in blocks(API, "json") if '"state"' in one]
    client.get("/v1/users/u1/profile")
    answer = client.patch("/v1/users/u1/profile", json={"state": edit["state"]})
    assert answer.status_code == 200 and edit["strike"][0].keys() == {"facet", "value", "polarity"}
