"""What `make demo` runs, for real: the data from its mirrors, the embedded models, and a second run
on top.
"""

import json
from pathlib import Path

import pytest

from limner.cli import main
from limner.core.schema import Profile, Recommendations
from limner.rank import current_version
from limner.store import open_store

pytestmark = [pytest.mark.slow, pytest.mark.local_model]

USERS = 2


def test_the_demo_shows_template_words_then_a_models_and_does_no_work_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(
        "xllamacpp", reason="THE EMBEDDED RUNTIME IS MISSING: pip install 'limner[local]'"
    )
    for name in ("LIMNER_LLM", "LIMNER_DATA", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    argv = ["--data", "demo-data", "demo", "--users", str(USERS)]

    assert main(argv) == 0
    first = capsys.readouterr()
    template, worded = first.out.index("template words"), first.out.index("after: words by")
    assert template < worded
    assert first.out.count("template words") == 2 * USERS  # portraits, then recommendations
    assert first.out.count("after: words by") == USERS + 1  # portraits, then one user's reasons
    assert "before" in first.out[template:worded]
    assert "without any model" in first.err
    assert "No model words this time" not in first.err

    store = open_store("demo-data", create=False)
    users = store.profiled_users()
    assert len(users) == USERS
    kept = {user: store.profile_versions(user) for user in users}
    trained, calls = current_version(store.folder / "models"), len(store.ledger())
    assert calls

    assert main([*argv, "--json"]) == 0
    second = capsys.readouterr()
    document = json.loads(second.out)
    assert document["ingest"]["events"]["kept"] == 0
    assert document["ingest"]["events"]["merged"] == document["ingest"]["events"]["read"] == 100_000
    assert {user: store.profile_versions(user) for user in users} == kept
    assert current_version(store.folder / "models") == trained
    assert {row.outcome for row in store.ledger()[calls:]} <= {"cached"}
    store.close()

    before = [Profile.model_validate(one) for one in document["portraits"]["template"]]
    after = [Profile.model_validate(one) for one in document["portraits"]["model"]]
    assert [one.user_id for one in before] == [one.user_id for one in after]
    assert {(one.source, one.model) for one in before} == {("template", None)}
    assert {one.grade for one in after} == {"phrase"}
    assert any(
        one.summary_source == "llm" and one.summary != old.summary
        for old, one in zip(before, after, strict=True)
    )
    [reasons] = [
        Recommendations.model_validate(one) for one in document["recommendations"]["model"]
    ]
    plain = Recommendations.model_validate(document["recommendations"]["template"][0])
    assert [one.item.item_id for one in reasons.recommendations]
    assert {one.item.item_id for one in reasons.recommendations} == {
        one.item.item_id for one in plain.recommendations
    }
    assert {one.reason.source for one in plain.recommendations if one.reason} == {"template"}
    assert "llm" in {one.reason.source for one in reasons.recommendations if one.reason}
