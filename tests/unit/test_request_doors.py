"""A recommendation request is defined once, and every door offers every field of it."""

import inspect
from pathlib import Path

import pytest

from limner import Limner
from limner.api.document import Described
from limner.api.pool import Pool
from limner.api.routes import recommendations
from limner.cli.request_options import NOT_OPTIONS, OPTIONS, RANGE
from limner.client import calls
from limner.core.errors import BadInputError
from limner.core.request_fields import FIELDS, read_request, text_values
from limner.core.schema import ListOptions, RecommendationRequest
from limner.mcp import _described
from limner.tools import recommend as recommend_tool
from tests.http.live import small_engine

OF_THE_PATH = {"user_id"}
OF_RANKING = {"items"}


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_says_what_it_is(name: str) -> None:
    assert (FIELDS[name].description or "").endswith(".")


def test_rest_offers_every_field(tmp_path: Path) -> None:
    engine = small_engine(tmp_path)
    app = Described()
    app.include_router(recommendations.router(engine, Pool(1)))
    paths = app.openapi()["paths"]

    def offered(path: str) -> dict[str, str]:
        listed = paths[path]["get"]["parameters"]
        return {one["name"]: one.get("description", "") for one in listed}

    user = offered("/v1/users/{user_id}/recommendations")
    assert user.keys() == FIELDS.keys() - OF_RANKING
    assert offered("/v1/recommendations").keys() == FIELDS.keys() - OF_RANKING - OF_THE_PATH - {
        "repeats"  # nothing is known of what a visitor had
    }
    own = {"user_id", "explain"}  # the path's, and one with `wait`
    assert all(user[name] == FIELDS[name].description for name in user.keys() - own)
    body = app.openapi()["components"]["schemas"]["Ids"]["properties"]
    assert body.keys() == {"items", "explain", "wording"}
    engine.store.close()


def test_the_command_line_offers_every_field() -> None:
    offered = (OPTIONS.keys() - {RANGE}) | {"price_min", "price_max"} | NOT_OPTIONS
    assert offered == FIELDS.keys() and NOT_OPTIONS == OF_THE_PATH | OF_RANKING


def test_the_tool_and_mcp_offer_every_field() -> None:
    offered = recommend_tool.args.model_fields.keys()
    assert FIELDS.keys() - offered == {"filter"} and "where" in offered
    assert _described(recommend_tool).input_schema["properties"].keys() == offered


def test_the_clients_offer_every_field() -> None:
    def offered(call: object) -> set[str]:
        return set(inspect.signature(call).parameters) - {"self"}  # type: ignore[arg-type]

    assert offered(calls.recommend) == FIELDS.keys() - OF_RANKING
    assert offered(calls.visit) == FIELDS.keys() - OF_RANKING - OF_THE_PATH - {"repeats"}
    assert offered(Limner.recommend) == FIELDS.keys() - OF_RANKING
    assert offered(Limner.recommend_all) == FIELDS.keys() - OF_RANKING - OF_THE_PATH
    with pytest.raises(TypeError, match="categry"):
        calls.recommend("u1", categry=["Drama"])


def test_what_was_asked_of_a_list_is_all_but_whom_it_is_for() -> None:
    assert RecommendationRequest(user_id="u1", n=3, wording="cached").options is None
    asked = RecommendationRequest(user_id="u1", quota={"category": 2})
    assert asked.options == ListOptions(quota={"category": 2})


def test_tables_are_read_as_they_are_written() -> None:
    fields = {"quota": {"category:Film Noir": 1}, "boost": {"price > 3": 0.5}, "explain": True}
    texts = text_values(fields)
    assert texts == {
        "quota": ["category:Film Noir=1"],
        "boost": ["price > 3*0.5"],
        "explain": "true",
    }
    request = read_request({**texts, "explain": True})
    assert request.quota == {"category:Film Noir": 1} and request.boost == {"price > 3": 0.5}
    for wrong in ({"quota": ["category"]}, {"boost": ["category:Drama"]}, {"n": 0}):
        with pytest.raises(BadInputError):
            read_request(wrong)


def test_given_items_are_all_ranked_and_so_take_no_options() -> None:
    with pytest.raises(BadInputError, match="all put in order"):
        read_request({"items": ["a"], "category": ["Drama"]})
