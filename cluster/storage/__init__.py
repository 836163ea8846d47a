"""The truth: SQL tables, migrations and repositories.

SQLite (WAL, ``synchronous=FULL``) when nothing is configured, PostgreSQL by ``DATABASE_URL``; one
behavioural test suite runs over both. Nothing is acknowledged to anyone before it is committed
here. Redis, where configured, is never the only copy of anything.

``database`` opens the engine, ``models`` declares the tables, the other modules are repositories,
one noun each. See ``docs/architecture.md``.
"""
