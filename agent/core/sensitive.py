"""Attributes of users that not everybody may see: religion, marital status, health and the like."""

import re
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from zlib import crc32

from limner.core.errors import NotAllowedError
from limner.core.filters import parse
from limner.core.schema import User

_APART = re.compile(r"[\W_]+")


class SensitiveNames:
    """The names of attributes that fit any of some patterns: `*` stands for any text; case, spaces,
    hyphens and underscores make no difference.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._patterns = [_folded(one, keep="*") for one in patterns]

    @property
    def stamp(self) -> str:
        """Equal for equal patterns."""
        return f"{crc32(repr(self._patterns).encode()):08x}"

    def __contains__(self, name: str) -> bool:
        folded = _folded(name)
        return any(fnmatchcase(folded, one) for one in self._patterns)

    def without(self, user: User) -> User:
        """The user without those attributes."""
        held = {name: value for name, value in user.attributes.items() if name not in self}
        if len(held) == len(user.attributes):
            return user
        return user.model_copy(update={"attributes": held})

    def refuse(self, where: str) -> None:
        """Raises NotAllowedError where a condition asks about any of them."""
        if where and (asked := self.among(parse(where).names())):
            raise NotAllowedError("attribute.sensitive", names=", ".join(asked))

    def among(self, names: Collection[str]) -> list[str]:
        """Those of the names that are sensitive, sorted."""
        return sorted(name for name in names if name in self)


def _folded(name: str, keep: str = "") -> str:
    if keep:
        return keep.join(_folded(part) for part in name.split(keep))
    return _APART.sub("_", name.casefold()).strip("_")
