"""Every change of the store's tables since its first schema, one file each in `versions/`.

To change a table: change `store/tables.py`, add a file to `versions/` that does the same to a store
that exists (on SQLite and on PostgreSQL), and name its revision in `store/schema_version.py`.
"""
