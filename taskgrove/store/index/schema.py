"""The tables of the index; ids are numbers that the index gave, so that it stays small."""

from __future__ import annotations

SCHEMA = 1
"""Of the statements below; an index of another one is built anew. Raise it with every change of them."""

STATEMENTS = (
    # Which store, the newest commit in the index (-1 for none), the sha256 of its record.
    "CREATE TABLE progress (uuid TEXT NOT NULL, number INTEGER NOT NULL, head TEXT NOT NULL)",
    # Of tasks, agents, experiments and splits.
    "CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "CREATE TABLE blobs (id INTEGER PRIMARY KEY, hash BLOB NOT NULL, introduced INTEGER NOT NULL)",
    """CREATE TABLE models (
        id INTEGER PRIMARY KEY, hash BLOB NOT NULL, introduced INTEGER NOT NULL,
        task INTEGER, agent INTEGER, parent INTEGER, quality REAL NOT NULL
    )""",
    # Which models hold which component.
    "CREATE TABLE uses (blob INTEGER, model INTEGER, PRIMARY KEY (blob, model)) WITHOUT ROWID",
    # From commit `start` to before commit `stop`: live models, and the published model of each task.
    "CREATE TABLE lives (model INTEGER NOT NULL, task INTEGER, start INTEGER NOT NULL, stop INTEGER)",
    """CREATE TABLE bests (
        task INTEGER NOT NULL, model INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER
    )""",
    # `number` is that of the commit in all that follow.
    """CREATE TABLE iterations (
        task INTEGER, number INTEGER, experiment INTEGER NOT NULL, agent INTEGER NOT NULL,
        iteration INTEGER NOT NULL, model INTEGER, score REAL, PRIMARY KEY (task, number)
    ) WITHOUT ROWID""",
    """CREATE TABLE evaluations (
        model INTEGER, number INTEGER, split INTEGER NOT NULL, accuracy REAL NOT NULL,
        PRIMARY KEY (model, number)
    ) WITHOUT ROWID""",
    "CREATE TABLE notes (number INTEGER PRIMARY KEY, task INTEGER, text TEXT NOT NULL)",
    "CREATE TABLE tags (number INTEGER PRIMARY KEY, name TEXT NOT NULL, target INTEGER NOT NULL)",
    # Eight bytes of a hash tell almost all apart, and are found by the beginning of an id, too.
    "CREATE INDEX blobs_by_hash ON blobs (substr(hash, 1, 8))",
    "CREATE INDEX models_by_hash ON models (substr(hash, 1, 8))",
    "CREATE INDEX children ON models (parent) WHERE parent IS NOT NULL",
    "CREATE INDEX lives_of ON lives (model)",
    "CREATE INDEX living ON lives (task) WHERE stop IS NULL",
    "CREATE INDEX bests_of ON bests (task)",
)
