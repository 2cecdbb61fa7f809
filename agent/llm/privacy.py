"""What a hosted model receives: pseudonyms for user ids, masked texts, and a list of every field
that is sent.
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Mapping

from limner.core.settings import Settings

PSEUDONYM_BYTES = 6
"""48 bits: any two of a million users share a pseudonym with a probability of 0.002 (birthday
bound).
"""

# ASCII classes throughout: letters of other scripts stand right beside addresses and numbers,
# without a space. Every repetition is bounded, so that no text takes long.
_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z][a-z0-9-]{0,61}",
    re.IGNORECASE | re.ASCII,
)
_URL = re.compile(
    r"(?:\b(?:https?|ftp)://|\bwww\.)[^\s\u3000<>\"'）)】」。，、]+"
    r"|(?<![\w.-])(?:[a-z0-9-]{1,63}\.){1,6}(?:com|org|net|info|io|kr|cn|de|fr|es|uk|jp|ly|gl|me)/[^\s\u3000<>\"'）)。]*",
    re.IGNORECASE | re.ASCII,
)
_CARD = re.compile(r"(?<![\d.+])\d(?:[ \-]?\d){12,18}(?![\d])")
_DIGITS = re.compile(r"\D")
_PHONE = re.compile(
    r"(?<![\w.+-])(?:"
    # international
    r"(?:\+|00)\d{1,3}[ .\-]?(?:\(0?\d{1,4}\)[ .\-]?)?\d{1,5}(?:[ .\-/]?\d{2,5}){1,4}"
    r"|01[016789][ .\-]?\d{3,4}[ .\-]?\d{4}"  # Korea, mobile
    r"|0\d{1,2}[ .\-]\d{3,4}[ .\-]\d{4}"  # Korea and others, land line
    r"|1[3-9]\d[ \-]?\d{4}[ \-]?\d{4}"  # China, mobile
    r"|0\d{2,3}-\d{7,8}"  # China, land line
    r"|\(\d{2,5}\)[ .\-]?\d{3,4}[ .\-]?\d{3,4}"  # (555) 123-4567
    r"|\d{3}[ .\-]\d{3}[ .\-]\d{4}"  # 555-123-4567
    r"|0\d{2,4}[ /\-]\d{3,4}[ \-]?\d{3,4}"  # Europe, with area code
    r"|0[67](?:[ .\-]?\d{2}){4}"  # France, mobile
    r")(?![\w-])",
    re.ASCII,
)


def pseudonym(user_id: str, salt: str) -> str:
    """A short name that stands for a user. It is the same for the same salt, and cannot be turned
    back without the salt.

    BLAKE2b keyed with the salt (RFC 7693).
    """
    key = hashlib.blake2b(salt.encode(), digest_size=32).digest()
    return (
        "u"
        + hashlib.blake2b(
            user_id.encode("utf-8", "surrogatepass"), key=key, digest_size=PSEUDONYM_BYTES
        ).hexdigest()
    )


class TextMask:
    """User ids of one exchange behind pseudonyms: what is hidden on its way out is shown again on
    its way back.
    """

    def __init__(self, salt: str | None = None) -> None:
        self._salt = salt or secrets.token_hex(16)
        self._by_id: dict[str, str] = {}

    def learn(self, user_ids: Iterable[str]) -> None:
        """Ids to hide from now on."""
        self._by_id |= {user_id: pseudonym(user_id, self._salt) for user_id in user_ids if user_id}

    def hide(self, text: str) -> str:
        """The text with every learned id, as a whole word, replaced by its pseudonym."""
        return self._swap(text, self._by_id)

    def show(self, text: str) -> str:
        return self._swap(text, {alias: user_id for user_id, alias in self._by_id.items()})

    def _swap(self, text: str, names: Mapping[str, str]) -> str:
        if not names:
            return text
        any_name = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        return re.sub(rf"(?<![\w-])(?:{any_name})(?![\w-])", lambda match: names[match[0]], text)


def mask(text: str) -> str:
    """The text with e-mail addresses, web addresses, card and phone numbers replaced by what they
    are in brackets.

    Card numbers are 13 to 19 digits that pass the Luhn check (ISO/IEC 7812-1). Ordinary numbers,
    years, prices, dates and times stay.
    """
    if not any(mark in text for mark in "@.:/") and sum(map(str.isdigit, text)) < 7:
        return text
    masked = _EMAIL.sub("[e-mail]", text)
    masked = _URL.sub("[link]", masked)
    masked = _CARD.sub(_card, masked)
    return _PHONE.sub(_phone, masked)


def _card(match: re.Match[str]) -> str:
    return "[card number]" if _luhn(_DIGITS.sub("", match[0])) else match[0]


def _luhn(digits: str) -> bool:
    total = 0
    for at, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 + at % 2)
        total += number - 9 if number > 9 else number
    return total % 10 == 0 and len(set(digits)) > 1


def _phone(match: re.Match[str]) -> str:
    digits = len(_DIGITS.sub("", match[0]))
    return "[phone number]" if 7 <= digits <= 15 else match[0]


def masker(settings: Settings) -> Callable[[str], str]:
    """The masking function of the settings: `mask`, or one that changes nothing."""
    return mask if settings.privacy.mask else str


def outgoing(settings: Settings) -> list[str]:
    """Sentences that name exactly what a hosted model is sent, and what never is."""
    privacy = settings.privacy
    sent = [
        (
            "Of each event: the type, the date, the value (rating or quantity) and the text "
            "the user wrote."
        ),
        (
            "Of each item in those events and among the candidates: title, categories, price "
            "and attributes."
        ),
        "Facts counted by code: shares, counts, ratings and dates of this user's events.",
    ]
    sent.append(
        "No user id goes with portraits, orders and reasons: none of their prompts holds one."
    )
    if privacy.pseudonyms:
        sent.append(
            "In chat: your question and what the tools find for it, user ids as "
            "pseudonyms made anew for each question."
        )
    else:
        sent.append(
            "In chat: your question and what the tools find for it, user ids as they are "
            "(privacy.pseudonyms is off)."
        )
    if privacy.mask:
        sent.append(
            "E-mail addresses, phone numbers, card numbers and web addresses in texts "
            "are masked first."
        )
    else:
        sent.append(
            "Texts go as they are, e-mail addresses and phone numbers included "
            "(privacy.mask is off)."
        )
    if privacy.demographics:
        sent.append(
            f"Of the user's own attributes: {', '.join(privacy.demographics)} (named in "
            "privacy.demographics)."
        )
    else:
        sent.append(
            "None of the user's own attributes (age, gender, place) is sent; none is "
            "named in privacy.demographics."
        )
    if settings.embed.choice == "openai":
        sent.append(
            "For embeddings: item texts (title, attributes, reviews) and the portrait's sentences."
        )
    return sent
