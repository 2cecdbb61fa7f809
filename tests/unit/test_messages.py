"""The message catalogue and what is made of it."""

import ast
import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter

import pytest
from pydantic import BaseModel, Field, ValidationError

import limner
from limner.core.errors import LimnerError, SettingsError, UnknownIdError
from limner.core.messages import (
    Form,
    Message,
    catalogue,
    joined,
    message,
    placeholders,
    plain,
    rejection,
    say,
)
from limner.core.schema import BuildReport, Value
from limner.evals.records import SystemResult

CODES = sorted(catalogue())
ROOT = Path(limner.__file__).parent.parent
SPECS = re.compile(r"|,|g|date|\.\d[f%]")
PLURALS = {"by", "zero", "one", "two", "few", "many", "other"}


def texts_of(form: Form) -> list[str]:
    return [form] if isinstance(form, str) else [form[name] for name in form if name != "by"]


def sample(code: str) -> dict[str, object]:
    """Arguments of every kind that the texts of a code ask for."""
    wanted: dict[str, object] = {}
    for form in catalogue()[code].values():
        if not isinstance(form, str):
            wanted[form["by"]] = 2
        for text in texts_of(form):
            for _, name, spec, _ in Formatter().parse(text):
                if name and spec:
                    wanted[name] = "2026-03-01" if spec == "date" else 1234
                elif name:
                    wanted.setdefault(name, f"<{name}>")
    return wanted


# ---------------------------------------------------------------- the catalogue


def test_a_code_says_the_same_in_every_language() -> None:
    for code in CODES:
        forms = catalogue()[code]
        assert set(forms) == ({"en"} if code == "plain" else {"en", "zh"}), code
        for language, form in forms.items():
            assert placeholders(code, language) == placeholders(code), code
            if not isinstance(form, str):
                assert {"by", "other"} <= set(form) <= PLURALS, code
            for text in texts_of(form):
                assert text.strip(), code
                for _, _, spec, conversion in Formatter().parse(text):
                    assert SPECS.fullmatch(spec or "") and conversion is None, code


def test_a_code_is_worded_in_every_language() -> None:
    for code in CODES:
        made = message(code, **sample(code))
        for language in catalogue()[code]:
            text, spoken = say(made, language)
            assert spoken == language, code
            assert all(
                f"<{name}>" in text
                for name, value in made.args.items()
                if isinstance(value, str) and value.startswith("<")
            ), code


def test_each_english_text_has_one_code() -> None:
    seen: dict[str, str] = {}
    for code in CODES:
        for text in texts_of(catalogue()[code]["en"]):
            bare = re.sub(r"\{\w+(:[^}]*)?\}", "{}", text)
            if code not in ("evals.case_failed", "plain"):  # "{where}: {error}" is not of an input
                assert seen.setdefault(bare, code) == code


# ---------------------------------------------------------------- messages


def test_numbers_are_said_in_the_language() -> None:
    made = message("list.short", given=1234, asked=12000)
    assert made.text == "1,234 of 12,000 items: no others fit that the user has not had."
    assert say(made, "zh").text.startswith("要求 12,000 件，得 1,234 件")


@pytest.mark.parametrize(
    ("code", "args"),
    [
        ("model.budget_spent", {"limit": 1234.5, "spent": 0.00012, "dearest": 1}),
        ("model.failure.timeout", {"seconds": 299.6}),
        ("price.empty_range", {"low": 19.99, "high": 5}),
        ("evals.below_threshold", {"what": "ndcg", "mean": 0.06149, "bound": 0.1}),
        ("list.popular_alike", {"names": "age, gender"}),
    ],
)
def test_english_numbers_are_as_python_writes_them(code: str, args: dict[str, object]) -> None:
    form = catalogue()[code]["en"]
    assert isinstance(form, str)
    assert message(code, **args).text == form.format_map(args)


@pytest.mark.parametrize(("n", "noun"), [(1, "character"), (2, "characters"), (0, "characters")])
def test_a_count_chooses_the_plural_form(n: int, noun: str) -> None:
    made = message("input.string_too_long", max_length=n)
    assert made.text == f"String should have at most {n} {noun}"
    assert say(made, "zh").text == f"至多 {n} 个字符"


def test_a_date_is_said_in_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: Mapping[str, Mapping[str, Form]] = {
        "test.day": {"en": "On {day:date}.", "zh": "{day:date}。"}
    }
    monkeypatch.setattr("limner.core.messages.catalogue", lambda: texts)
    made = message("test.day", day="2026-03-01T10:00:00+00:00")
    placeholders.cache_clear()
    assert made.text == "On Mar 1, 2026."
    assert say(made, "zh") == ("2026年3月1日。", "zh")


def test_a_message_within_a_message_is_in_the_same_language() -> None:
    error = UnknownIdError("item.unknown", item="9")
    made = message("portrait.template", error=error)
    assert made.args == {"error": error.message}
    assert made.text == (
        "In template words, since the model did not help: There is no item '9' in the store; "
        "ids are used exactly as in the data."
    )
    assert say(made, "zh-Hans-CN") == (
        "模型未能协助，故用模板措辞：库中没有物品“9”；编号须与数据完全一致。",
        "zh",
    )


def test_a_language_without_an_entry_is_english_and_says_so() -> None:
    assert say(message("model.none"), "fr") == ("There is no model to ask.", "en")
    assert say(plain("As it is."), "zh") == ("As it is.", "en")


def test_values_are_not_read_as_forms() -> None:
    assert message("user.unknown", user="{x}{").text.startswith("There is no user '{x}{' in")


@pytest.mark.parametrize(
    ("code", "args"),
    [("no.such", {}), ("item.unknown", {}), ("item.unknown", {"item": "1", "more": 2})],
)
def test_unknown_codes_and_wrong_arguments_are_refused(code: str, args: dict[str, object]) -> None:
    with pytest.raises(LookupError):
        message(code, **args)


def test_sentences_are_joined() -> None:
    both = joined([message("model.none"), plain("Go on."), plain("Stop.")])
    assert both.text == "There is no model to ask. Go on. Stop."
    assert say(both, "zh").text == "没有可问的模型。Go on.Stop."
    assert joined([]).text == ""
    parts = joined([plain("one"), plain("two")], "remarks")
    assert parts.text == "one; two" and say(parts, "zh").text == "one；two"


def test_equal_messages_are_one_in_a_set() -> None:
    made = [message("portrait.template", error=plain("No.")) for _ in range(2)]
    assert list(dict.fromkeys(made)) == made[:1]


# ---------------------------------------------------------------- as JSON


class NotesHolder(Value):
    notes: list[Message] = Field(default=[])


def test_json_holds_code_arguments_and_english() -> None:
    made = NotesHolder(notes=[message("portrait.template", error=message("model.none"))])
    text = "In template words, since the model did not help: There is no model to ask."
    assert made.model_dump() == {
        "notes": [
            {
                "code": "portrait.template",
                "args": {
                    "error": {"code": "model.none", "args": {}, "text": "There is no model to ask."}
                },
                "text": text,
            }
        ]
    }
    assert NotesHolder.model_validate_json(made.model_dump_json()) == made


def test_numbers_stay_numbers_in_json() -> None:
    made = message("server.no_port", host="::1", port=80, error=plain("In use"))
    assert Message.model_validate_json(made.model_dump_json()).args == made.args
    assert made.args["port"] == 80


def test_stored_strings_are_read_as_plain_messages() -> None:
    older = NotesHolder.model_validate_json('{"notes": ["Some {note}."]}')
    assert older.notes == [plain("Some {note}.")]
    assert older.notes[0].args == {"text": "Some {note}."}


def test_reports_of_before_are_read() -> None:
    older = BuildReport.model_validate(
        {"built": [], "failed": {"u1": "Gone."}, "notes": ["Slow."], "stopped": "No money."}
    )
    assert older.failed == {"u1": plain("Gone.")} and older.stopped == plain("No money.")
    assert older.notes == [plain("Slow.")]
    assert SystemResult.model_validate({"name": "als", "why": "not here"}).why == plain("not here")
    assert SystemResult.model_validate({"name": "als", "why": ""}).why is None


@pytest.mark.parametrize(
    "stored",
    [
        {"code": "no.such", "args": {"n": 2}, "text": "Two of them."},
        {"code": "item.unknown", "args": {"id": "2"}, "text": "Two of them."},
        {"code": "list.short", "args": {"given": "two", "asked": 3}, "text": "Two of them."},
    ],
)
def test_a_stored_message_of_another_catalogue_keeps_its_text(stored: dict[str, object]) -> None:
    assert Message.model_validate(stored) == plain("Two of them.")


# ---------------------------------------------------------------- errors


def test_an_error_holds_its_message() -> None:
    error = UnknownIdError("user.unknown", user="u 7")
    assert str(error) == "There is no user 'u 7' in the store; ids are used exactly as in the data."
    assert error.message == message("user.unknown", user="u 7")
    assert error.code == "unknown_id"


def test_an_error_of_one_plain_sentence() -> None:
    error = LimnerError("There is no {such} thing.")
    assert str(error) == "There is no {such} thing."
    assert error.message == plain("There is no {such} thing.")
    assert LimnerError(error.message).message == error.message
    assert str(LimnerError("plain")) == "plain"
    assert str(LimnerError()) == ""


def test_an_error_crosses_processes() -> None:
    error = SettingsError("settings.bad_value", name="llm.n", why="Input should be below 4")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  made in this test
    assert type(again) is SettingsError
    assert again.message == error.message


def test_an_errors_code_is_checked() -> None:
    with pytest.raises(LookupError):
        LimnerError("no.such", n=2)


def calls_with_codes() -> Iterator[tuple[str, str, set[str]]]:
    """Where, code and argument names of every error and message that the code makes with a code."""
    for folder in ("agent", "tools", "evals"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and node.args and makes_message(node.func):
                    first, names = node.args[0], {one.arg or "**" for one in node.keywords}
                    if isinstance(first, ast.Constant) and isinstance(first.value, str):
                        yield f"{file.name}:{node.lineno}", first.value, names


def makes_message(function: ast.expr) -> bool:
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    return name == "message" or name in {one.__name__ for one in kinds(LimnerError)}


def kinds(base: type[LimnerError]) -> Iterator[type[LimnerError]]:
    yield base
    for one in base.__subclasses__():
        yield from kinds(one)


def test_every_code_that_the_code_names_is_in_the_catalogue() -> None:
    wrong = []
    for where, code, names in calls_with_codes():
        if code in catalogue():
            if names != placeholders(code) and "**" not in names:
                wrong.append(f"{where}: {code} takes {sorted(placeholders(code))}")
        elif names or re.fullmatch(r"[a-z_]+(\.[a-z_0-9]+)+", code):
            wrong.append(f"{where}: there is no code {code}")
    assert not wrong


# ---------------------------------------------------------------- what Pydantic refuses


class FormExample(BaseModel, extra="forbid"):
    n: int = Field(5, ge=1, le=20)
    share: float = Field(0.5, gt=0, lt=1)
    name: str = Field("ok", min_length=2, max_length=4)
    flag: bool = False


@pytest.mark.parametrize(
    ("values", "chinese"),
    [
        ({"n": 21}, "不得大于 20"),
        ({"n": 0}, "不得小于 1"),
        ({"n": "many"}, "应为整数"),
        ({"share": 0.0}, "须大于 0"),
        ({"share": 1}, "须小于 1"),
        ({"share": "half"}, "应为数字"),
        ({"name": "a"}, "至少 2 个字符"),
        ({"name": "abcde"}, "至多 4 个字符"),
        ({"name": 2}, "应为文本"),
        ({"flag": "maybe"}, "应为 true 或 false"),
        ({"other": 1}, "没有这个参数"),
    ],
)
def test_rejections_are_in_pydantics_words(values: dict[str, object], chinese: str) -> None:
    with pytest.raises(ValidationError) as raised:
        FormExample.model_validate(values)
    details = raised.value.errors()[0]
    made = rejection(details)
    assert made.text == details["msg"]
    assert say(made, "zh") == (chinese, "zh")


def test_a_rejection_without_our_words_keeps_pydantics() -> None:
    with pytest.raises(ValidationError) as raised:
        FormExample.model_validate({"n": 1.5})
    details = raised.value.errors()[0]
    assert rejection(details) == plain(details["msg"])
