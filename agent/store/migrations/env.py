"""Runs revisions on the connection, and in the transaction, of whoever opens a store."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    # SQLite's changes of tables are undone with a transaction too, where one was begun.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
