"""The peer of `cargo xtask bench allocation`: DuckDB with doubles, over the files
of the lake's manifest.

    allocation.py split FOLDER OUTPUT THREADS     container-days and cube, like ours
    allocation.py check FOLDER ANSWER THREADS     our files, read back: exact sums

Prints one JSON document."""

import json
import os
import sys
import time

import duckdb

# A day: the node-hours with their cost, what a unit of claim costs in each, the
# container-days, what is with no container. One currency, one basis, no
# accelerators, no DaemonSets: what the generated world has. Weights as ours:
# 9,216 for a core-ms, 1,000 for a MiB-s; system reserved follows the pods by
# their money, so it is a factor of the node-hour.
HOURS = """
CREATE OR REPLACE TEMP TABLE rates AS
WITH cost AS (
  SELECT ResourceId, epoch(ChargePeriodStart)::BIGINT // 3600 AS hour, sum(EffectiveCost::DOUBLE) AS cost
  FROM read_parquet('{charges}') GROUP BY ALL
), node AS (
  SELECT node, hour, cost,
    cpu_capacity_millicores * ready_s::DOUBLE AS cpu, memory_capacity_mib * ready_s::DOUBLE AS memory,
    cpu_allocatable_millicores * ready_s::DOUBLE AS cpu_free, memory_allocatable_mib * ready_s::DOUBLE AS memory_free,
    ready_s, n.provider_id, n.pool
  FROM read_parquet('{nodes}') n
  JOIN cost USING (hour) WHERE cost.ResourceId = split_part(n.provider_id, '/', 5)
), claimed AS (
  SELECT node, hour, sum(cpu_effective_core_ms)::DOUBLE AS cpu_claimed, sum(memory_effective_mib_s)::DOUBLE AS memory_claimed
  FROM read_parquet('{hours}') JOIN slots USING (slot) GROUP BY ALL
), priced AS (
  SELECT *, coalesce(cpu_claimed, 0) AS c, coalesce(memory_claimed, 0) AS m,
    cost * 9216 * cpu / (9216 * cpu + 1000 * memory) AS cpu_cost,
    cost * 1000 * memory / (9216 * cpu + 1000 * memory) AS memory_cost
  FROM node LEFT JOIN claimed USING (node, hour)
), unit AS (
  SELECT *, cpu_cost * cpu_free / cpu / greatest(cpu_free, c) AS cpu_rate,
    memory_cost * memory_free / memory / greatest(memory_free, m) AS memory_rate,
    cpu_cost * (1 - cpu_free / cpu) + memory_cost * (1 - memory_free / memory) AS system_cost
  FROM priced
)
SELECT *, system_cost / nullif(c * cpu_rate + m * memory_rate, 0) AS system_rate FROM unit
"""

SLOTS = """
CREATE OR REPLACE TEMP TABLE slots AS
SELECT slot, node, namespace, workload FROM read_parquet('{slots}')
"""

CONTAINERS = """
CREATE OR REPLACE TEMP TABLE containers AS
WITH sums AS (
  SELECT slot, min(hour) AS start_hour, max(hour) + 1 AS end_hour, sum(seconds)::BIGINT AS seconds,
    sum(cpu_request_core_ms)::BIGINT AS cpu_request_core_ms, sum(memory_request_mib_s)::BIGINT AS memory_request_mib_s,
    sum(cpu_usage_core_ms)::BIGINT AS cpu_usage_core_ms, sum(memory_usage_mib_s)::BIGINT AS memory_usage_mib_s,
    sum(cpu_effective_core_ms)::BIGINT AS cpu_effective_core_ms,
    sum(memory_effective_mib_s)::BIGINT AS memory_effective_mib_s,
    sum(cpu_effective_core_ms * cpu_rate) AS cpu_cost, sum(memory_effective_mib_s * memory_rate) AS memory_cost,
    sum((cpu_effective_core_ms * cpu_rate + memory_effective_mib_s * memory_rate) * system_rate) AS system_cost
  FROM read_parquet('{hours}') JOIN slots USING (slot) JOIN rates USING (node, hour)
  GROUP BY slot
)
SELECT slots.node, namespace, workload, sums.* FROM sums JOIN slots USING (slot)
"""

NODES = """
CREATE OR REPLACE TEMP TABLE nodes AS
SELECT node, min(hour) AS start_hour, max(hour) + 1 AS end_hour, sum(ready_s)::BIGINT AS seconds,
  any_value(provider_id) AS provider_id, any_value(pool) AS pool,
  sum(cpu)::BIGINT AS cpu_capacity_core_ms, sum(memory)::BIGINT AS memory_capacity_mib_s,
  sum(cpu_free)::BIGINT AS cpu_allocatable_core_ms, sum(memory_free)::BIGINT AS memory_allocatable_mib_s,
  sum(cpu_cost) AS cpu_cost, sum(memory_cost) AS memory_cost,
  sum(cpu_rate * greatest(cpu_free - c, 0)) AS idle_cpu, sum(memory_rate * greatest(memory_free - m, 0)) AS idle_memory,
  sum(CASE WHEN system_rate IS NULL THEN system_cost ELSE 0 END) AS system_left
FROM rates GROUP BY node
"""

DAY = """
COPY (
  SELECT 'node' AS kind, node, provider_id, pool, NULL::INTEGER AS slot, NULL AS part, start_hour, end_hour, seconds,
    cpu_capacity_core_ms, memory_capacity_mib_s, cpu_allocatable_core_ms, memory_allocatable_mib_s,
    NULL::BIGINT AS cpu_request_core_ms, NULL::BIGINT AS memory_request_mib_s, NULL::BIGINT AS cpu_usage_core_ms,
    NULL::BIGINT AS memory_usage_mib_s, NULL::BIGINT AS cpu_effective_core_ms, NULL::BIGINT AS memory_effective_mib_s,
    cpu_cost, memory_cost, NULL::DOUBLE AS system_cost, cpu_cost + memory_cost AS billed_cost FROM nodes
  UNION ALL BY NAME
  SELECT 'remainder' AS kind, node, 'idle_capacity' AS part, idle_cpu AS cpu_cost, idle_memory AS memory_cost,
    system_left AS system_cost, idle_cpu + idle_memory + system_left AS billed_cost FROM nodes
  UNION ALL BY NAME
  SELECT 'container' AS kind, 'workload' AS part, * EXCLUDE (namespace, workload),
    cpu_cost + memory_cost + system_cost AS billed_cost FROM containers
) TO '{output}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)
"""

CUBE = """
INSERT INTO cube
WITH owned AS (
  SELECT pool, namespace, workload, sum(containers.cpu_cost + containers.memory_cost) AS cost, sum(system_cost) AS system_cost
  FROM containers JOIN nodes USING (node) GROUP BY ALL
)
SELECT {day}, pool, namespace, workload, 'workload', cost FROM owned
UNION ALL SELECT {day}, pool, namespace, workload, 'system_reserved', system_cost FROM owned
UNION ALL SELECT {day}, pool, NULL, NULL, 'idle_capacity', sum(idle_cpu + idle_memory) FROM nodes GROUP BY ALL
UNION ALL SELECT {day}, pool, NULL, NULL, 'system_reserved', sum(system_left) FROM nodes GROUP BY ALL
"""


def connect(threads):
    connection = duckdb.connect()
    connection.execute(f"SET threads = {int(threads)}")
    connection.execute("SET enable_progress_bar = false")
    return connection


def quoted(path):
    return path.replace("'", "''")


def manifest(folder):
    with open(os.path.join(folder, "manifest.json")) as file:
        return json.load(file)


def split(folder, output, threads):
    listed = manifest(folder)
    lake = os.path.join(folder, "lake")
    started = time.perf_counter()
    connection = connect(threads)
    connection.execute("CREATE TEMP TABLE cube (day INTEGER, pool VARCHAR, tenant VARCHAR, service VARCHAR, part VARCHAR, cost DOUBLE)")
    for day in listed["days"]:
        names = {kind: quoted(os.path.join(lake, day[kind])) for kind in ("charges", "nodes", "slots", "hours")}
        names["output"] = quoted(os.path.join(output, f"{day['day']}.parquet"))
        names["day"] = day["day"]
        for statement in (SLOTS, HOURS, CONTAINERS, NODES, DAY, CUBE):
            connection.execute(statement.format(**names))
    cube = quoted(os.path.join(output, "cube.parquet"))
    connection.execute(f"COPY cube TO '{cube}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)")
    seconds = time.perf_counter() - started
    total, containers, lines = connection.execute(
        "SELECT sum(cost), sum(cost) FILTER (WHERE tenant IS NOT NULL), count(*) FROM cube"
    ).fetchone()
    files = [os.path.join(output, name) for name in os.listdir(output)]
    return {"seconds": seconds, "total": total, "containers": containers, "cube_lines": lines,
            "bytes": sum(map(os.path.getsize, files))}


# Every figure of a container-day but the money of the whole node, which the
# remainders and containers below it must add up to.
MONEY = "(cpu_cost + memory_cost + gpu_cost + system_cost + daemon_cost + disk_cost)"


def check(folder, answer, threads):
    with open(answer) as file:
        ours = json.load(file)
    lake = os.path.join(folder, "lake")
    connection = connect(threads)
    files = ", ".join("'" + quoted(os.path.join(lake, path)) + "'" for path in ours["container_days"])
    kinds = connection.execute(
        f"SELECT kind, count(*), CAST(sum({MONEY}) AS VARCHAR), CAST(sum(billed_cost) AS VARCHAR) "
        f"FROM read_parquet([{files}]) GROUP BY kind"
    ).fetchall()
    unequal = connection.execute(
        f"SELECT count(*) FILTER (WHERE whole <> parts OR whole_billed <> parts_billed), count(*) FROM (SELECT "
        f"sum({MONEY}) FILTER (WHERE kind = 'node') AS whole, sum({MONEY}) FILTER (WHERE kind <> 'node') AS parts, "
        f"sum(billed_cost) FILTER (WHERE kind = 'node') AS whole_billed, "
        f"sum(billed_cost) FILTER (WHERE kind <> 'node') AS parts_billed "
        f"FROM read_parquet([{files}], filename = true) GROUP BY filename, node, currency)"
    ).fetchone()
    cube = quoted(os.path.join(lake, ours["cube"]))
    cube_total = connection.execute(
        f"SELECT CAST(sum(effective) AS VARCHAR) FROM read_parquet('{cube}')"
    ).fetchone()[0]
    types = connection.execute(
        f"SELECT DISTINCT column_type FROM (DESCRIBE SELECT COLUMNS('_cost$') FROM read_parquet([{files}]))"
    ).fetchall()
    return {
        "kinds": {kind: {"rows": rows, "effective": effective, "billed": billed} for kind, rows, effective, billed in kinds},
        "unequal_node_days": unequal[0],
        "node_days": unequal[1],
        "cube": cube_total,
        "types": [row[0] for row in types],
    }


COMMANDS = {"split": split, "check": check}
print(json.dumps(COMMANDS[sys.argv[1]](*sys.argv[2:5])))
