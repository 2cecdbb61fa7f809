"""What verification lets pass and what it refuses, sentence by sentence and language by
language.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.core.schema import Item
from limner.verify import check_words, grounds_from, lexicon_from, sensitive, split_sentences
from limner.words import load_language, supported_languages
from tests.unit.portraits import EVENTS, FACTS, fact, grounds, lexicon

GROUNDS = {code: grounds(code) for code in supported_languages()}
LEXICON = {code: lexicon(code) for code in supported_languages()}


def refusals(text: str, code: str = "en") -> list[str]:
    return check_words(text, GROUNDS[code], load_language(code), LEXICON[code])


GOOD_EN = [
    "This user gravitates toward comedies and dramas, and consistently rates them highly.",
    "They have a soft spot for comedy and tend to avoid horror.",
    "This viewer is drawn to drama, which makes up 55% of their choices against 50% on average.",
    "Comedy accounts for 42 percent of the total, while horror leaves them cold.",
    "This user does not enjoy horror, but has a clear liking for comedy.",
    "Their interest in drama is rising.",
    "Westerns, once liked, are fading from view.",
    "They mostly watch drama.",
    "More than half of what they watch is drama.",
    "Drama is the favourite, with 20 titles in the record.",
    'They rated "Star Wars" 5 of 5 and "Scream" 1 of 5.',
    'The comedy "The Full Monty" earned a 4 in March 1998.',
    "On 3 March 1998 they gave The Full Monty a 4.",
    "They rated “Blade Runner” five out of five on 1998-03-05.",
    'They called "Scream" "too loud and silly".',
    'A fan of science fiction such as "Star Wars" and "Blade Runner".',
    "This user prefers comedy over horror.",
    "Horror is not to their taste: all 9 titles met a negative response.",
    "They keep coming back to films from the 1990s.",
    "Of 40 events in the record, 20 are dramas.",
    "Films of the '90s make up half of their choices.",
    "Drama matters more to them than comedy.",
    '"Alien" is a horror film they rated 2 of 5.',
    "They frequently choose comedies, and occasionally explore westerns.",
    "They are not only fond of comedy but also of drama.",
    "The user rarely picks horror.",
    "Comedy shows up 12 times, drama 20 times.",
    "They found The Full Monty warm and witty.",
    "They enjoyed Star Wars, but Scream disappointed them.",
    "Lately they have been turning to drama.",
    "They rate comedies well and horror poorly.",
    "Horror never appeals to them.",
    'Their highest mark, 5 of 5, went to "Star Wars".',
    "Neither horror nor anything close to it appeals to this user.",
    "Comedy, drama and titles from the 1990s stand out.",
]

BAD_EN = [
    ("This user loves horror.", "flipped_polarity: Horror"),
    ("This user does not enjoy comedy.", "flipped_polarity: Comedy"),
    ("They dislike dramas and comedies.", "flipped_polarity: Drama"),
    ("Comedy is avoided.", "flipped_polarity: Comedy"),
    ("They tend to steer clear of drama.", "flipped_polarity: Drama"),
    ("They prefer horror over comedy.", "flipped_polarity: Horror"),
    ("They show little interest in comedy.", "flipped_polarity: Comedy"),
    ("A keen interest in horror runs through their history.", "flipped_polarity: Horror"),
    ("They like comedy but not drama.", "flipped_polarity: Drama"),
    ("They avoid horror and comedy.", "flipped_polarity: Comedy"),
    ('They loved "Scream".', "flipped_polarity: Scream (1996)"),
    ('They hated "Star Wars".', "flipped_polarity: Star Wars (1977)"),
    ("They hardly enjoy comedy.", "flipped_polarity: Comedy"),
    ("They never enjoy drama.", "flipped_polarity: Drama"),
    ("They don't care for comedy, which they dislike.", "flipped_polarity: Comedy"),
    ("This user loves award-winning comedies.", "unsupported_word: award-winning"),
    ("A fan of gritty dramas.", "unsupported_word: gritty"),
    ("They enjoy French comedies.", "unsupported_value: France"),
    ("They like Korean dramas.", "unsupported_name: Korean"),
    ("They enjoy character-driven dramas.", "unsupported_word: character-driven"),
    ("They like dark, brooding drama.", "unsupported_word: dark"),
    ("They like acclaimed comedies.", "unsupported_word: acclaimed"),
    ("They like classic comedies.", "unsupported_value: Classic"),
    ("They enjoy romance.", "unsupported_value: Romance"),
    ("They enjoy crime stories.", "unsupported_value: Crime"),
    ("They liked Heat.", "unsupported_value: Heat (1995)"),
    ("They liked Titanic.", "unsupported_value: Titanic (1997)"),
    ('They enjoyed "You\'ve Got Mail".', "unsupported_quote: You've Got Mail"),
    ("They enjoyed You've Got Mail.", "unsupported_value: You've Got Mail (1998)"),
    ("They trust Northwind.", "unsupported_value: Northwind"),
    ("They admire the work of Ridley Scott.", "unsupported_name: Ridley"),
    ('They watched "The Godfather".', "unsupported_quote: The Godfather"),
    ('They called "Scream" "a masterpiece".', "unsupported_quote: a masterpiece"),
    ("Their interest in comedy is rising.", "unsupported_claim: rising"),
    ("Their interest in drama is fading.", "unsupported_claim: fading"),
    ("Increasingly, they pick comedies.", "unsupported_claim: Increasingly"),
    ("Recently they have been choosing comedies.", "unsupported_claim: Recently"),
    ("They mostly watch comedy.", "unsupported_claim: mostly"),
    ("The majority of their choices are comedies.", "unsupported_claim: majority"),
    ("They only watch drama.", "unsupported_claim: only"),
    ("They always enjoy comedy.", "unsupported_claim: always"),
    ("They exclusively pick comedies.", "unsupported_claim: exclusively"),
    ("Comedy is their favourite genre.", "unsupported_claim: favourite"),
    ("They never watch horror.", "unsupported_claim: never"),
    ("They rarely pick drama.", "unsupported_claim: rarely"),
    ("Comedy makes up 47% of their choices.", "unsupported_number: 47%"),
    ("They watched 33 comedies.", "unsupported_number: 33"),
    ("They watched seven comedies.", "unsupported_number: seven"),
    ("A third of their choices are comedies.", "unsupported_number: third"),
    ("Three quarters of their choices are dramas.", "unsupported_number: Three quarters"),
    ("Horror makes up 42% of their choices.", "wrong_pairing: 42% with Horror"),
    ("They watched 20 comedies.", "wrong_pairing: 20 with comedies"),
    ("They watched 12 dramas and 20 comedies.", "wrong_pairing: 12 with dramas"),
    ('They rated "Star Wars" 1 of 5.', "wrong_pairing: 1 with Star Wars"),
    ('They rated "Scream" 5 of 5 and "Star Wars" 1 of 5.', "wrong_pairing: 1 with Star Wars"),
    ('They rated "Scream" 5 of 5 and "Star Wars" 1 of 5.', "wrong_pairing: 5 with Scream"),
    ("Comedy makes up 30% of their choices.", "unsupported_number: 30%"),
    ('They gave "Scream" a 5.', "wrong_pairing: 5 with Scream"),
    ("They watched 4 comedies.", "wrong_pairing: 4 with comedies"),
    ("They have not watched any comedies.", "unsupported_claim: not"),
    ('They did not rate "Star Wars".', "unsupported_claim: not"),
    ("They are fond of neither comedy nor drama.", "flipped_polarity: Drama"),
    ("They cannot stand comedy.", "flipped_polarity: Comedy"),
    ("They stopped watching comedy.", "unsupported_claim: stopped"),
    ("Comedy is more important to them than drama.", "unsupported_claim: than"),
    ("They watched Scream on 1998-03-01.", "wrong_pairing: 1998-03-01 with Scream"),
    ('"Star Wars" is a horror film.', "wrong_pairing: Horror with Star Wars (1977)"),
    ('They gave a 5 to "Star Wars", a horror film.', "wrong_pairing: Horror with Star Wars (1977)"),
    ("They spend weekends watching comedy.", "unsupported_word: weekends"),
    ("They gave horror high ratings.", "flipped_polarity: Horror"),
    ('The comedy "Scream" earned a 1.', "wrong_pairing: Comedy with Scream (1996)"),
    ('They enjoy comedies such as "Star Wars".', "wrong_pairing: Comedy with Star Wars (1977)"),
    ("They enjoyed The Full Monty in July 1998.", "unsupported_date: July"),
    ("They enjoyed The Full Monty on 1998-07-03.", "unsupported_date: 1998-07-03"),
    ("They enjoyed The Full Monty in 2004.", "unsupported_number: 2004"),
    ("They enjoy films from the 1940s.", "unsupported_word: 1940s"),
    ("This user is a devout Catholic who enjoys comedy.", "sensitive: religion"),
    ("This user is probably gay.", "sensitive: orientation"),
    ("A conservative voter who likes drama.", "sensitive: politics"),
    ("They suffer from depression and enjoy comedy.", "sensitive: health"),
    ("As a Hispanic viewer, they enjoy comedy.", "sensitive: ethnicity"),
    ("They are a generous rater.", "unsupported_word: generous"),
    ("Their taste is eclectic and niche.", "unsupported_word: niche"),
    ("They love comedies, especially clever ones.", "unsupported_word: clever"),
    ("They enjoy the comedies of Woody Allen.", "unsupported_name: Woody"),
    ("They enjoy blockbusters.", "unsupported_word: blockbusters"),
    ("They are a young professional who enjoys comedy.", "unsupported_word: young"),
    ("They liked Star Monty.", "unsupported_name: Star"),
]


@pytest.mark.parametrize("text", GOOD_EN)
def test_true_prose_passes(text: str) -> None:
    assert refusals(text) == []


@pytest.mark.parametrize(("text", "code"), BAD_EN)
def test_false_prose_is_refused_for_what_is_false(text: str, code: str) -> None:
    assert code in refusals(text)


GOOD = {
    "de": [
        "Diese Person mag Komödien und Dramen.",
        "Komödien machen 42 % der Auswahl aus, gegenüber 30 % im Durchschnitt.",
        "Horrorfilme meidet diese Person, hat aber eine Vorliebe für Dramen.",
        "Das Interesse an Dramen nimmt zu.",
        "„Star Wars“ erhielt 5 von 5 Punkten.",
        "Sie mag Horror nicht.",
        "Keine Freude hat sie an Horrorfilmen.",
        "Der Nutzer schaut überwiegend Dramen.",
        "Im März 1998 bewertete sie „Blade Runner“ mit 5.",
        "Western verlieren an Reiz, Dramen sieht sie gern.",
    ],
    "fr": [
        "Cette personne apprécie les comédies et les drames.",
        "La comédie représente 42 % de ses choix, contre 30 % en moyenne.",
        "Elle n'aime pas l'horreur, mais elle a un faible pour la comédie.",
        "Son intérêt pour le drame est en hausse.",
        "Elle a donné 5 sur 5 à « Star Wars ».",
        "L'horreur la laisse froide.",
        "Elle regarde majoritairement des drames.",
        "En mars 1998, elle a donné 5 à « Blade Runner ».",
        "Elle évite l'horreur et préfère la comédie.",
        "Ses choix se concentrent sur les années 1990.",
    ],
    "es": [
        "Esta persona aprecia las comedias y los dramas.",
        "La comedia supone el 42 % de sus elecciones, frente al 30 % de media.",
        "No le gusta el terror, pero tiene debilidad por la comedia.",
        "Su interés por el drama va en aumento.",
        "Dio 5 de 5 a «Star Wars».",
        "Evita el terror y prefiere la comedia.",
        "Ve principalmente dramas.",
        "En marzo de 1998 dio un 5 a «Blade Runner».",
        "El terror le gusta menos.",
        "Sus elecciones se concentran en los años 1990.",
    ],
    "zh": [
        "该用户喜欢喜剧片和剧情片。",
        "喜剧占其选择的42%，平均水平为30%。",
        "该用户不喜欢恐怖片，但对喜剧情有独钟。",
        "对剧情片的兴趣正在上升。",
        "用户给《Star Wars》打了5分。",
        "用户大多观看剧情片。",
        "该用户偏爱1990年代的作品。",
        "1998年3月5日，用户给《Blade Runner》打了5分。",
        "恐怖片则评价很低。",
        "记录中有20部剧情片。",
    ],
    "ko": [
        "이 이용자는 코미디와 드라마를 좋아합니다.",
        "코미디는 선택의 42%를 차지하며 평균은 30%입니다.",
        "공포는 좋아하지 않지만 코미디에는 관심이 높습니다.",
        "드라마에 대한 관심이 점점 커지고 있습니다.",
        "“Star Wars”에 5점을 주었습니다.",
        "주로 드라마를 시청합니다.",
        "1990년대 작품을 선호합니다.",
        "1998년 3월 5일에 “Blade Runner”에 5점을 주었습니다.",
        "코미디를 좋아하고 공포를 싫어합니다.",
        "드라마 20편을 시청했습니다.",
    ],
}

BAD = {
    "de": [
        ("Diese Person liebt Horrorfilme.", "flipped_polarity"),
        ("Diese Person mag Komödien nicht.", "flipped_polarity"),
        ("Sie meidet Dramen.", "flipped_polarity"),
        ("Sie mag preisgekrönte Komödien.", "unsupported_word: preisgekrönte"),
        ("Sie mag französische Komödien.", "unsupported_value"),
        ("Komödien machen 47 % der Auswahl aus.", "unsupported_number"),
        ("Horror macht 42 % der Auswahl aus.", "wrong_pairing"),
        ("Sie sieht überwiegend Komödien.", "unsupported_claim"),
        ("Das Interesse an Komödien nimmt zu.", "unsupported_claim"),
        ("Sie mag „Titanic“.", "unsupported_quote"),
        ("Sie ist katholisch und mag Dramen.", "sensitive: religion"),
        ("Sie leidet unter Depressionen.", "sensitive: health"),
        ("Sie mag Liebesfilme.", "unsupported_value"),
        ("Im Juli 1998 bewertete sie „Blade Runner“ mit 5.", "unsupported_date"),
        ("„Scream“ erhielt 5 Punkte.", "wrong_pairing"),
    ],
    "fr": [
        ("Cette personne adore l'horreur.", "flipped_polarity"),
        ("Elle n'aime pas la comédie.", "flipped_polarity"),
        ("Elle évite les drames.", "flipped_polarity"),
        ("Elle aime les comédies primées.", "unsupported_word: primées"),
        ("Elle aime les comédies françaises.", "unsupported"),
        ("La comédie représente 47 % de ses choix.", "unsupported_number"),
        ("L'horreur représente 42 % de ses choix.", "wrong_pairing"),
        ("Elle regarde majoritairement des comédies.", "unsupported_claim"),
        ("Son intérêt pour la comédie est en hausse.", "unsupported_claim"),
        ("Elle aime « Titanic ».", "unsupported_quote"),
        ("Elle est catholique et apprécie le drame.", "sensitive: religion"),
        ("Elle souffre de dépression.", "sensitive: health"),
        ("Elle aime Ridley Scott.", "unsupported_name: Ridley"),
        ("En juillet 1998, elle a donné 5 à « Blade Runner ».", "unsupported_date"),
        ("Elle a donné 5 à « Scream ».", "wrong_pairing"),
    ],
    "es": [
        ("A esta persona le encanta el terror.", "flipped_polarity"),
        ("No le gusta la comedia.", "flipped_polarity"),
        ("Evita los dramas.", "flipped_polarity"),
        ("Le gustan las comedias premiadas.", "unsupported_word: premiadas"),
        ("Le gustan las comedias francesas.", "unsupported"),
        ("La comedia supone el 47 % de sus elecciones.", "unsupported_number"),
        ("El terror supone el 42 % de sus elecciones.", "wrong_pairing"),
        ("Ve principalmente comedias.", "unsupported_claim"),
        ("Su interés por la comedia va en aumento.", "unsupported_claim"),
        ("Le gusta «Titanic».", "unsupported_quote"),
        ("Es católica y aprecia el drama.", "sensitive: religion"),
        ("Padece depresión.", "sensitive: health"),
        ("Le gusta Ridley Scott.", "unsupported_name: Ridley"),
        ("En julio de 1998 dio un 5 a «Blade Runner».", "unsupported_date"),
        ("Dio un 5 a «Scream».", "wrong_pairing"),
    ],
    "zh": [
        ("该用户喜欢恐怖片。", "flipped_polarity"),
        ("该用户不喜欢喜剧。", "flipped_polarity"),
        ("该用户讨厌剧情片。", "flipped_polarity"),
        ("该用户喜欢获奖喜剧。", "unsupported_word: 获奖"),
        ("该用户喜欢法国喜剧。", "unsupported_value"),
        ("喜剧占其选择的47%。", "unsupported_number"),
        ("恐怖片占其选择的42%。", "wrong_pairing"),
        ("用户大多观看喜剧。", "unsupported_claim"),
        ("对喜剧的兴趣正在上升。", "unsupported_claim"),
        ("用户喜欢《Titanic》。", "unsupported_quote"),
        ("该用户是天主教徒。", "sensitive: religion"),
        ("该用户患有抑郁症。", "sensitive: health"),
        ("该用户喜欢爱情片。", "unsupported_value"),
        ("1998年7月5日，用户给《Blade Runner》打了5分。", "unsupported_date"),
        ("用户给《Scream》打了5分。", "wrong_pairing"),
    ],
    "ko": [
        ("이 이용자는 공포를 좋아합니다.", "flipped_polarity"),
        ("이 이용자는 코미디를 좋아하지 않습니다.", "flipped_polarity"),
        ("드라마를 싫어합니다.", "flipped_polarity"),
        ("수상작 코미디를 좋아합니다.", "unsupported_word"),
        ("프랑스 코미디를 좋아합니다.", "unsupported_value"),
        ("코미디는 선택의 47%를 차지합니다.", "unsupported_number"),
        ("공포는 선택의 42%를 차지합니다.", "wrong_pairing"),
        ("주로 코미디를 시청합니다.", "unsupported_claim"),
        ("코미디에 대한 관심이 점점 커지고 있습니다.", "unsupported_claim"),
        ("“Titanic”을 좋아합니다.", "unsupported_quote"),
        ("이 이용자는 천주교인입니다.", "sensitive: religion"),
        ("이 이용자는 우울증 환자입니다.", "sensitive: health"),
        ("로맨스를 좋아합니다.", "unsupported_value"),
        ("1998년 7월 5일에 “Blade Runner”에 5점을 주었습니다.", "unsupported_date"),
        ("“Scream”에 5점을 주었습니다.", "wrong_pairing"),
    ],
}


@pytest.mark.parametrize(
    ("code", "text"), [(code, text) for code, texts in GOOD.items() for text in texts]
)
def test_true_prose_passes_in_other_languages(code: str, text: str) -> None:
    assert refusals(text, code) == []


@pytest.mark.parametrize(
    ("code", "text", "reason"), [(c, t, r) for c, cases in BAD.items() for t, r in cases]
)
def test_false_prose_is_refused_in_other_languages(code: str, text: str, reason: str) -> None:
    assert any(found.startswith(reason) for found in refusals(text, code))


# ---------------------------------------------------------------- grounds


def test_a_demonym_passes_where_the_country_is_a_ground() -> None:
    item = Item(
        item_id="x", title="Amélie (2001)", attributes={"country": "France", "genre": ["Comedy"]}
    )
    english = load_language("en")
    here = grounds_from(english, items=[item], preferences=[])
    known = lexicon_from([item], english)
    assert check_words("Amelie is a French comedy.", here, english, known) == []
    assert check_words("Amelie is an Italian comedy.", here, english, known) == [
        "unsupported_name: Italian"
    ]


def test_a_longer_catalogue_title_is_not_covered_by_a_shorter_ground() -> None:
    english = load_language("en")
    items = [Item(item_id="1", title="Star Trek"), Item(item_id="2", title="Star Trek Generations")]
    here = grounds_from(english, items=items[:1])
    known = lexicon_from(items, english)
    assert check_words("They watched Star Trek.", here, english, known) == []
    assert "unsupported_value: Star Trek Generations" in check_words(
        "They watched Star Trek Generations.", here, english, known
    )


def test_title_words_in_lower_case_are_not_grounds() -> None:
    english = load_language("en")
    here = grounds_from(english, items=[Item(item_id="1", title="Dirty Dancing (1987)")])
    assert check_words("They watched Dirty Dancing.", here, english) == []
    assert check_words("They like dirty films.", here, english) == ["unsupported_word: dirty"]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Shawshank Redemption, The (1994)", "The Shawshank Redemption"),
        (
            "City of Lost Children, The (Cité des enfants perdus, La) (1995)",
            "La Cité des enfants perdus",
        ),
        ("Léon (1994)", "Leon"),
        ("2001: A Space Odyssey (1968)", "2001: A Space Odyssey"),
        ("Alien³ (1992)", "Alien³"),
    ],
)
def test_titles_pass_as_prose_says_them(written: str, said: str) -> None:
    english = load_language("en")
    here = grounds_from(english, items=[Item(item_id="1", title=written)])
    assert check_words(f"They watched {said}.", here, english) == []
    assert check_words(f"They watched “{said}”.", here, english) == []


@pytest.mark.parametrize(
    "rendering", ["1998-03-05", "5 March 1998", "March 5, 1998", "March 1998", "3/5/1998", "1998"]
)
def test_dates_pass_in_any_common_rendering(rendering: str) -> None:
    assert refusals(f"They rated Blade Runner in {rendering}.") == []


@pytest.mark.parametrize(
    "rendering", ["1998-03-06", "6 March 1998", "May 5, 1998", "March 1997", "4/6/1998", "1997"]
)
def test_other_dates_are_refused(rendering: str) -> None:
    assert refusals(f"They rated Blade Runner in {rendering}.") != []


def test_habits_give_their_words() -> None:
    english = load_language("en")
    here = grounds("en", traits=True)
    assert (
        check_words(
            "A generous rater with a broad range, at a mean of 4.2 against 3.5.", here, english
        )
        == []
    )
    assert check_words("A strict rater.", here, english) == ["unsupported_word: strict"]
    assert check_words("A niche taste.", here, english) == ["unsupported_word: niche"]


def test_recent_needs_a_recent_event() -> None:
    english = load_language("en")
    late = grounds_from(
        english,
        facts=[fact(1, "Comedy", last=EVENTS[-1].event.timestamp)],
        as_of=EVENTS[-1].event.timestamp,
    )
    assert check_words("Recently they chose comedies.", late, english) == []
    assert (
        check_words("Recently they chose comedies.", grounds_from(english, facts=FACTS), english)
        != []
    )


def test_notes_are_words_that_code_vouches_for() -> None:
    english = load_language("en")
    item = Item(item_id="1", title="Titanic (1997)")
    assert (
        check_words(
            "Titanic is popular.", grounds_from(english, items=[item], notes=["popular"]), english
        )
        == []
    )
    assert check_words("Titanic is popular.", grounds_from(english, items=[item]), english) != []


def test_text_in_another_language_than_the_grounds_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="grounds are in en"):
        check_words("…", grounds("en"), load_language("de"))


# ---------------------------------------------------------------- sensitive traits


@pytest.mark.parametrize(
    ("text", "trait"),
    [
        ("This user is Muslim.", "religion"),
        ("They are likely a Christian.", "religion"),
        ("Their religion matters to them.", "religion"),
        ("A diabetic who buys snacks.", "health"),
        ("They have health problems.", "health"),
        ("This shopper is pregnant.", "health"),
        ("This user, who likes dramas, is gay.", "orientation"),
        ("They seem conservative.", "politics"),
        ("A Black viewer.", "ethnicity"),
        ("They vote Republican.", "politics"),
    ],
)
def test_traits_of_a_person_are_refused(text: str, trait: str) -> None:
    assert sensitive(text, load_language("en")) == f"sensitive: {trait}"


@pytest.mark.parametrize(
    "text",
    [
        "They pick books on religion.",
        "They like gay cinema.",
        "They often choose Christian music.",
        "They buy health supplements.",
        "They rate titles in the category “Politics” highly.",
        "They like comedies.",
    ],
)
def test_what_they_chose_may_be_named_as_items(text: str) -> None:
    assert sensitive(text, load_language("en")) is None


def test_a_sensitive_value_may_be_said_of_items_only() -> None:
    english = load_language("en")
    here = grounds_from(
        english,
        facts=[fact(1, "Gay & Lesbian", facet="category"), fact(2, "Health", facet="category")],
    )
    assert (
        check_words("This user is fond of titles in the category “Gay & Lesbian”.", here, english)
        == []
    )
    assert check_words("This user is gay.", here, english) == ["sensitive: orientation"]
    assert check_words("This user is gay and lesbian.", here, english) == ["sensitive: orientation"]
    assert check_words("Their health is what they like.", here, english) == ["sensitive: health"]


# ---------------------------------------------------------------- properties


def test_sentences_are_split_at_their_ends() -> None:
    assert split_sentences("They like it. “Heat” is next! 42.5 of 100? Yes.") == [
        "They like it.",
        "“Heat” is next!",
        "42.5 of 100?",
        "Yes.",
    ]
    assert split_sentences("喜欢喜剧。不喜欢恐怖片。") == ["喜欢喜剧。", "不喜欢恐怖片。"]
    assert split_sentences("좋아합니다. oak도 좋아합니다.") == ["좋아합니다.", "oak도 좋아합니다."]


@pytest.mark.parametrize(
    ("title", "text"),
    [
        (
            "터미네이터 2:오리지널",
            "터미네이터 2:오리지널을 선택한 분들이 그다음에 이것을 선택했습니다.",
        ),
        ("록키 4", "선택하신 록키 4를 선택한 분들이 이것도 선택했습니다."),
        ("流浪地球2", "您喜欢流浪地球2，这个与它主题相近。"),
    ],
)
def test_titles_of_characters_and_figures_pass_without_quotation_marks(
    title: str, text: str
) -> None:
    language = load_language("zh" if title[0] == "流" else "ko")
    seen, other = (
        Item(item_id="a", title=title),
        Item(item_id="b", title=title.split(" ")[0].rstrip("2")),
    )
    here, catalogue = grounds_from(language, items=[seen]), lexicon_from([seen, other], language)
    assert check_words(text, here, language, catalogue) == []
    assert check_words(text.replace("2", "3").replace("4", "5"), here, language, catalogue) != []


@pytest.mark.parametrize(
    "whole",
    [
        "People who chose “L.A. Confidential”, as you did, went on to this.",
        "You gave “Mr. Smith Goes! To Washington” 5 of 5.",
        "You liked Dr. Strangelove and L.A. Confidential.",
        "与《E.T. The Extra》相似。",
    ],
)
def test_marks_in_titles_end_no_sentence(whole: str) -> None:
    assert split_sentences(whole) == [whole]
    assert split_sentences("They like “Heat.” They like it.") == [
        "They like “Heat.",
        "They like it.",
    ]


@given(st.text(max_size=200), st.sampled_from(supported_languages()))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_without_an_error(text: str, code: str) -> None:
    for refusal in refusals(text, code):
        assert refusal.split(":")[0] in {
            "unsupported_word",
            "unsupported_name",
            "unsupported_number",
            "unsupported_date",
            "unsupported_quote",
            "unsupported_value",
            "unsupported_claim",
            "flipped_polarity",
            "wrong_pairing",
            "sensitive",
        }


@given(
    st.from_regex(r"[qxz][aeiou][bcdfgq]{2}[aeiou]z", fullmatch=True),
    st.sampled_from(GOOD_EN),
    st.data(),
)
@settings(max_examples=100, deadline=None)
def test_an_unknown_word_anywhere_is_refused(word: str, sentence: str, data: st.DataObject) -> None:
    words = sentence.split(" ")
    at = data.draw(st.integers(0, len(words)))
    assert refusals(" ".join([*words[:at], word, *words[at:]])) != []


@given(st.integers(0, 10_000))
@settings(max_examples=100, deadline=None)
def test_only_the_grounds_numbers_pass(n: int) -> None:
    right = refusals(f"They watched {n} comedies.") == []
    # count 12, 10 positive, 1 negative, 29 events in all by count and share
    assert right == (n in (12, 10, 1, 29) or n == 1997)
