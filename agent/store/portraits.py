"""Portraits by version, and the queue of those to embed."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError

from limner.core.errors import UnknownIdError
from limner.core.schema import Profile
from limner.store import tables as t
from limner.store.database import Database
from limner.store.dialects import is_there, upsert


class PortraitStore(Database):
    """Every version of everyone's portrait."""

    def save_profile(self, profile: Profile) -> Profile:
        """Store as the next version, which waits to be embedded, and return it with its number.

        Raises UnknownIdError where the user was erased meanwhile.
        """
        p = t.profiles.c
        with self.transaction() as connection:
            last = (
                connection.scalar(
                    sa.select(sa.func.max(p.version)).where(p.user_id == profile.user_id)
                )
                or 0
            )
            profile = profile.model_copy(update={"version": last + 1})
            connection.execute(
                sa.insert(t.profiles),
                {
                    "user_id": profile.user_id,
                    "version": profile.version,
                    "as_of": int(profile.as_of.timestamp() * 1000),
                    "body": profile.model_dump_json(),
                },
            )
            waiting = {"user_id": profile.user_id, "version": profile.version}
            upsert(connection, t.unembedded, [waiting])
            if not is_there(connection, profile.user_id):
                raise UnknownIdError("user.unknown", user=profile.user_id)
        return profile

    def profile(self, user_id: str, version: int | None = None) -> Profile | None:
        """The newest portrait of a user, or one version; None where there is none that can be
        read.
        """
        found = self.profile_body(user_id, version)
        return _read(found[1]) if found else None

    def profile_body(
        self, user_id: str, version: int | None = None, as_of: datetime | None = None
    ) -> tuple[int, str] | None:
        """(version, JSON) of a portrait: the newest, or of a version, or the newest painted no
        later than `as_of`.
        """
        p = t.profiles.c
        query = (
            sa.select(p.version, p.body)
            .where(p.user_id == user_id)
            .order_by(p.version.desc())
            .limit(1)
        )
        if version is not None:
            query = query.where(p.version == version)
        if as_of is not None:
            query = query.where(p.as_of <= int(as_of.timestamp() * 1000))
        with self.reading() as connection:
            row = connection.execute(query).first()
        return (row.version, row.body) if row else None

    def profile_versions(self, user_id: str) -> list[Profile]:
        """Every version of a user's portrait that can be read, oldest first."""
        p = t.profiles.c
        with self.reading() as connection:
            bodies = connection.scalars(
                sa.select(p.body).where(p.user_id == user_id).order_by(p.version)
            )
            return _readable(bodies)

    def profiles(self, holding: str = "") -> list[Profile]:
        """The newest portrait of every user, by user id, of those that can be read. `holding`
        limits them to portraits that contain this text.
        """
        p = t.profiles.c
        query = _newest(p.body)
        if holding:
            # Reading a body is the slow part; a database passes over those without the text far
            # faster.
            query = query.where(
                p.body.icontains(json.dumps(holding, ensure_ascii=False)[1:-1], autoescape=True)
            )
        with self.reading() as connection:
            return _readable(connection.scalars(query))

    def broken_profiles(self) -> list[str]:
        """Users whose newest portrait cannot be read. It counts as none: the next one that is
        painted takes its place.
        """
        query = _newest(t.profiles.c.user_id, t.profiles.c.body)
        with self.reading() as connection:
            rows = connection.execute(query, execution_options={"yield_per": 1000})
            return [row.user_id for row in rows if _read(row.body) is None]

    def profiled_users(self) -> list[str]:
        with self.reading() as connection:
            query = sa.select(t.profiles.c.user_id).distinct().order_by(t.profiles.c.user_id)
            return list(connection.scalars(query))

    def erase_profiles(self, user_id: str, versions: Sequence[int]) -> None:
        p = t.profiles.c
        with self.transaction() as connection:
            connection.execute(
                sa.delete(t.profiles).where(p.user_id == user_id, p.version.in_(versions))
            )

    def count_unembedded(self) -> int:
        """Number of portraits in the queue to be embedded."""
        with self.reading() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(t.unembedded)) or 0

    def unembedded(self, n: int) -> dict[str, int]:
        """Users whose newest portrait waits to be embedded, and its version; the first n by user
        id.
        """
        w = t.unembedded.c
        with self.reading() as connection:
            rows = connection.execute(sa.select(w.user_id, w.version).order_by(w.user_id).limit(n))
            return {row.user_id: row.version for row in rows}

    def set_embedded(self, versions: Mapping[str, int]) -> None:
        """Take these versions of portraits off the queue to be embedded; newer versions
        stay in it.
        """
        w = t.unembedded.c
        if versions:
            done = sa.delete(t.unembedded).where(
                w.user_id == sa.bindparam("user"), w.version == sa.bindparam("held")
            )
            with self.transaction() as connection:
                connection.execute(
                    done, [{"user": user, "held": version} for user, version in versions.items()]
                )

    def set_unembedded(self) -> None:
        """Everyone's newest portrait waits to be embedded."""
        p, names = t.profiles.c, ["user_id", "version"]
        newest = sa.select(p.user_id, sa.func.max(p.version)).group_by(p.user_id)
        with self.transaction() as connection:
            connection.execute(sa.delete(t.unembedded))
            connection.execute(sa.insert(t.unembedded).from_select(names, newest))


def _newest(*columns: sa.ColumnElement[str]) -> "sa.Select[*tuple[Any, ...]]":
    """Columns of the newest portrait of every user, by user id."""
    p = t.profiles.c
    newest = (
        sa.select(p.user_id, sa.func.max(p.version).label("version")).group_by(p.user_id).subquery()
    )
    return (
        sa.select(*columns)
        .join_from(
            t.profiles, newest, (p.user_id == newest.c.user_id) & (p.version == newest.c.version)
        )
        .order_by(p.user_id)
    )


def _readable(bodies: Iterable[str]) -> list[Profile]:
    return [profile for body in bodies if (profile := _read(body)) is not None]


def _read(body: str) -> Profile | None:
    """A stored portrait; None where its JSON is damaged, which `limner doctor` names."""
    try:
        return Profile.model_validate_json(body)
    except ValidationError:
        return None
