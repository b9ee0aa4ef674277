"""The questions in SQL; `:at` is the commit asked for, hashes are bytes."""

from __future__ import annotations


def _row_of(table: str, value: str) -> str:
    """The number of the row with a hash, found through the index over its first bytes."""
    return f"(SELECT id FROM {table} WHERE substr(hash, 1, 8) = substr({value}, 1, 8) AND hash = {value})"


def _during(table: str) -> str:
    return f"{table}.start <= :at AND ({table}.stop IS NULL OR {table}.stop > :at)"


def _test_of(model: str) -> str:
    return f"""(SELECT accuracy FROM evaluations JOIN names ON names.id = split AND name = 'test'
        WHERE model = {model} AND number <= :at ORDER BY number DESC LIMIT 1)"""


BESTS = f"""SELECT name, models.hash, start, quality,
    (SELECT score FROM iterations WHERE task = bests.task AND model = bests.model AND number <= :at
        ORDER BY number DESC LIMIT 1),
    {_test_of("bests.model")}
    FROM bests JOIN names ON names.id = bests.task JOIN models ON models.id = bests.model
    WHERE {_during("bests")} ORDER BY name"""

USERS = f"""SELECT hash, name, introduced,
    EXISTS (SELECT 1 FROM lives WHERE lives.model = models.id AND {_during("lives")}),
    EXISTS (SELECT 1 FROM bests WHERE bests.task = models.task AND bests.model = models.id
        AND {_during("bests")})
    FROM uses JOIN models ON models.id = uses.model LEFT JOIN names ON names.id = models.task
    WHERE uses.blob = {_row_of("blobs", ":component")} AND introduced <= :at ORDER BY models.id"""

CONTRIBUTOR = f"""SELECT :component, agents.name, tasks.name, hash, introduced
    FROM uses JOIN models ON models.id = uses.model
    LEFT JOIN names AS agents ON agents.id = agent LEFT JOIN names AS tasks ON tasks.id = task
    WHERE uses.blob = {_row_of("blobs", ":component")} AND introduced <= :at ORDER BY models.id LIMIT 1"""

_RELATIVE = """SELECT hash, name, introduced, distance
    FROM line JOIN models ON models.id = line.id LEFT JOIN names ON names.id = task"""

ANCESTRY = f"""WITH RECURSIVE line (id, distance) AS (
        SELECT parent, 1 FROM models WHERE id = {_row_of("models", ":model")} AND parent IS NOT NULL
        UNION ALL SELECT parent, distance + 1 FROM line JOIN models USING (id) WHERE parent IS NOT NULL
    ) {_RELATIVE} ORDER BY distance"""

DESCENDANTS = f"""WITH RECURSIVE line (id, distance) AS (
        SELECT id, 1 FROM models WHERE parent = {_row_of("models", ":model")}
        UNION ALL SELECT models.id, distance + 1 FROM line JOIN models ON parent = line.id
    ) {_RELATIVE} WHERE introduced <= :at ORDER BY distance, models.id"""

ITERATIONS = f"""SELECT number, experiments.name, agents.name, iteration, hash, score, quality,
    {_test_of("iterations.model")}
    FROM iterations JOIN names AS experiments ON experiments.id = experiment
    JOIN names AS agents ON agents.id = iterations.agent LEFT JOIN models ON models.id = model
    WHERE iterations.task = (SELECT id FROM names WHERE name = :task) AND number <= :at ORDER BY number"""

NOTES = """SELECT number, name, text FROM notes LEFT JOIN names ON names.id = task
    WHERE (:task IS NULL OR name = :task) AND number <= :at ORDER BY number"""

TAGS = "SELECT number, name, target FROM tags WHERE number <= :at ORDER BY number"


def _identities(where: str, order: str) -> str:
    """Models and blobs by their first bytes."""
    parts = (
        f"SELECT * FROM (SELECT {kind}, hash, introduced FROM {table} "
        f"WHERE {where} AND introduced <= :at ORDER BY {order} LIMIT :most)"
        for kind, table in (("'model'", "models"), (_KIND, "blobs"))
    )
    return " UNION ALL ".join(parts)


_KIND = "CASE WHEN EXISTS (SELECT 1 FROM uses WHERE blob = blobs.id) THEN 'component' ELSE 'blob' END"
BETWEEN = _identities("substr(hash, 1, 8) BETWEEN :low AND :high", "substr(hash, 1, 8)")
BEFORE = _identities("substr(hash, 1, 8) < :low", "substr(hash, 1, 8) DESC")
AFTER = _identities("substr(hash, 1, 8) > :high", "substr(hash, 1, 8)")
