"""Keys of the REST API, by the hash of their secret."""

import sqlalchemy as sa

from limner.core.schema import ApiKey
from limner.store import tables as t
from limner.store.database import Database
from limner.store.dialects import upsert

_KEYED = "keyed"
"""Name of the note that the first key leaves for good."""


class ApiKeyStore(Database):
    """Keys as they were made, revoked ones too."""

    def add_api_key(self, key: ApiKey, hash_: str) -> None:
        """hash_: SHA-256 of the key, in hex."""
        row = {
            "key_id": key.key_id,
            "hash": hash_,
            "user_id": key.user_id,
            "body": key.model_dump_json(),
        }
        with self.adding() as connection:
            connection.execute(sa.insert(t.keys), row)
            upsert(connection, t.notes, [{"name": _KEYED, "text": "yes"}])

    def is_keyed(self) -> bool:
        """Whether there was ever a key, though it may be revoked or gone with its user."""
        noted = sa.exists().where(t.notes.c.name == _KEYED)
        with self.reading() as connection:
            return bool(connection.scalar(sa.select(noted | sa.exists(sa.select(t.keys.c.key_id)))))

    def api_key(self, hash_: str) -> ApiKey | None:
        """The key with this hash, revoked or not."""
        with self.reading() as connection:
            body = connection.scalar(sa.select(t.keys.c.body).where(t.keys.c.hash == hash_))
        return ApiKey.model_validate_json(body) if body else None

    def api_keys(self) -> list[ApiKey]:
        """All keys, revoked ones too, oldest first."""
        with self.reading() as connection:
            found = [
                ApiKey.model_validate_json(body)
                for body in connection.scalars(sa.select(t.keys.c.body))
            ]
        return sorted(found, key=lambda key: (key.created, key.key_id))

    def change_api_key(self, key: ApiKey) -> None:
        with self.adding() as connection:
            update = sa.update(t.keys).where(t.keys.c.key_id == key.key_id)
            connection.execute(update.values(body=key.model_dump_json()))
