"""Other people, and the user's own item, in a reason."""

import pytest

from limner.verify.others import misread, points_at
from limner.words import load_language, supported_languages, title_variants

CASES = [
    ("en", "People who chose “Heat” went on to this.", True, ""),
    ("en", "People who chose “Heat” went on to this.", False, "unsupported_claim"),
    ("en", "Others who enjoyed “Heat” went on to this.", True, "unsupported_claim"),
    ("en", "Since you enjoyed “Heat”, others went on to this.", True, ""),
    ("en", "Since you enjoy crime, you may enjoy “Heat”.", False, "off_claim"),
    ("en", "Since you like crime, you might look at the Heat.", False, "off_claim"),
    ("en", "You may enjoy this after “Heat”.", False, ""),
    ("en", "Since you enjoyed “Heat”, this may suit you.", False, ""),
    ("en", "You might like this, since you chose “Heat”.", False, ""),
    ("de", "Wer wie Sie „Heat“ gewählt hat, wählte auch das.", True, ""),
    ("de", "Wer „Heat“ mag, wählte auch das.", False, "unsupported_claim"),
    ("de", "Weil Sie „Heat“ mochten, könnte auch das zu Ihnen passen.", False, ""),
    ("de", "Sie könnten „Heat“ mögen.", False, "off_claim"),
    ("fr", "Ceux qui ont choisi « Heat » ont aussi choisi ce titre.", True, ""),
    ("fr", "D'autres ont choisi ce titre.", False, "unsupported_claim"),
    ("es", "Quienes eligieron «Heat» eligieron también esto.", True, ""),
    ("es", "A otras personas les gusta esto.", False, "unsupported_claim"),
    ("zh", "选择《Heat》的人也选择了这个。", True, ""),
    ("zh", "喜欢《Heat》的人也选择了这个。", True, "unsupported_claim"),
    ("zh", "其他用户也选择了这个。", False, "unsupported_claim"),
    ("ko", "“Heat”를 선택한 분들이 이것도 선택했습니다.", True, ""),
    ("ko", "“Heat”를 좋아하는 분들이 이것도 선택했습니다.", True, "unsupported_claim"),
    ("ko", "“Heat”를 좋아하신 회원님께 어울립니다.", False, ""),
]


@pytest.mark.parametrize(("code", "text", "people", "refusal"), CASES)
def test_what_is_said_of_others_and_of_the_users_own(
    code: str, text: str, people: bool, refusal: str
) -> None:
    said = misread(
        text, load_language(code), own=title_variants("Heat (1995)"), names=[], people=people
    )
    assert said.startswith(refusal) if refusal else said == "", said


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        (
            "After looking at a Heat, which you enjoyed, this is more of it.",
            "unsupported_claim: enjoyed",
        ),
        ("Since you enjoyed “Heat”, this may suit you.", "unsupported_claim: enjoyed"),
        (
            "After looking at “Heat”, which you liked, this is more of it.",
            "unsupported_claim: liked",
        ),
        ("You like crime and looked at “Heat”, so this may suit you.", ""),
        ("Since you looked at “Heat”, you may enjoy this.", ""),
        ("This looked at Heat, which is close in theme to your taste.", "off_claim"),
    ],
)
def test_a_look_is_no_liking_and_an_item_looks_at_nothing(text: str, refusal: str) -> None:
    said = misread(
        text,
        load_language("en"),
        own=title_variants("Heat (1995)"),
        names=[],
        people=False,
        looked=True,
    )
    assert said.startswith(refusal) if refusal else said == "", said


def test_the_users_own_item_is_not_this_one() -> None:
    own = title_variants("BLUE 3 PIECE POLKADOT CUTLERY SET")
    english = load_language("en")
    text = "Because you like cutlery items, this blue 3-piece polkadot cutlery set is worth a look."
    assert misread(text, english, own=own, names=[], people=False).startswith("off_claim")
    text = "Because you chose the blue 3-piece polkadot cutlery set, this is worth a look."
    assert misread(text, english, own=own, names=[], people=False) == ""


def test_words_inside_names_say_nothing() -> None:
    english = load_language("en")
    own = title_variants("Ordinary People (1980)")
    assert misread("You chose “Ordinary People”.", english, own=own, names=[], people=False) == ""
    assert (
        misread("It is close to “Others”.", english, own=[], names=["Others"], people=False) == ""
    )


@pytest.mark.parametrize(
    ("code", "text", "points"),
    [
        ("en", "Since you enjoyed “Heat”, this may suit you.", True),
        ("en", "After “Heat”, you enjoyed the crime theme.", False),
        ("en", "Chosen for your interest in crime.", True),
        ("en", "Close in theme to “Heat”, which you enjoyed.", True),
        ("de", "Das passt zu Ihrem Interesse an Krimis.", True),
        ("fr", "Vous avez choisi « Heat » et le genre action.", False),
        ("fr", "Choisi pour votre goût pour le genre action.", True),
        ("es", "Usted eligió «Heat», y esto encaja.", True),
        ("zh", "您喜欢动作类，也喜欢《Heat》。", False),
        ("zh", "您喜欢《Heat》，这个与它主题相近。", True),
        ("ko", "“Heat”를 좋아하신 회원님께 어울립니다.", True),
    ],
)
def test_a_reason_speaks_of_the_item(code: str, text: str, points: bool) -> None:
    assert points_at(text, load_language(code)) == points


@pytest.mark.parametrize("code", supported_languages())
def test_every_template_speaks_of_the_item(code: str) -> None:
    """But where the sentence has no subject, as templates may and a model's sentence may not."""
    language = load_language(code)
    for form in (*language.templates.reason.followed, *language.templates.reason.together_rated):
        assert points_at(form, language), form
