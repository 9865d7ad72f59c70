"""Shows where the last build's time went: `make profile`.

Reads dbt's `target/run_results.json` and, where the build was run with SEGMART_PROFILE=1, what
DuckDB's profiler wrote of each table's statement. The slowest nodes come as a table, all of them
as a Gantt chart over dbt's threads in `build/profile.svg`. Times are read, never asserted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import vl_convert

from pipeline import sentences
from pipeline.sentences import UserError
from pipeline.settings import Settings

RESULTS = Path("target") / "run_results.json"
PICTURE = Path("build") / "profile.svg"
SLOWEST_SHOWN = 20
# A bar narrower than a pixel or two needs no name.
NAMED_SHARE = 0.01
# dbt runs hooks before and after its threads.
HOOKS_THREAD = "main"


@dataclass(frozen=True)
class Node:
    """What one node took: seconds from the first node's start, and its own.

    `rows` and `spilled_bytes` are None where nobody knows. What DuckDB had spilled is counted over
    both threads: a neighbour's share is in it.
    """

    name: str
    kind: str
    thread: str
    started: float
    seconds: float
    rows: int | None = None
    spilled_bytes: int | None = None


def main() -> int:
    """Print the table and write the picture of this environment's last build."""
    settings = Settings.from_environment()
    results = read_results(settings.root / RESULTS)
    began = datetime.fromisoformat(results["metadata"]["invocation_started_at"])
    nodes = nodes_of(
        results["results"],
        rows_of(settings.build_file),
        spilled_of(settings.build_folder / "profile", began.timestamp()),
    )
    if not nodes:
        raise UserError(f"{RESULTS} tells of no node that ran; build something first.")
    print("\n".join(table_lines(nodes)))
    picture = settings.root / PICTURE
    picture.parent.mkdir(exist_ok=True)
    picture.write_text(vl_convert.vegalite_to_svg(gantt(nodes)), encoding="utf-8")
    print(f"{settings.shown(picture)} shows all {len(nodes):,} nodes.")
    return 0


def read_results(path: Path) -> dict[str, Any]:
    """What dbt noted of its last run; raises UserError where it noted nothing."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{RESULTS} cannot be read; run make load first.") from error
    if not isinstance(found, dict):
        raise UserError(f"{RESULTS} holds no run of dbt; run make load again.")
    return found


def nodes_of(
    results: Iterable[Mapping[str, Any]],
    rows: Mapping[str, int],
    spilled: Mapping[str, int],
) -> list[Node]:
    """Every node that ran, by its start; `rows` and `spilled` (bytes) are by a node's name."""
    found = []
    for result in results:
        moments = [
            datetime.fromisoformat(timing[end]).timestamp()
            for timing in result["timing"]
            for end in ("started_at", "completed_at")
        ]
        if not moments:
            continue
        kind, _, name = result["unique_id"].split(".")[:3]
        is_table = kind in ("model", "seed")
        found.append(
            Node(
                name=name,
                kind=kind,
                thread=result["thread_id"],
                started=min(moments),
                seconds=max(moments) - min(moments),
                rows=rows.get(name) if is_table else None,
                spilled_bytes=spilled.get(name) if kind == "model" else None,
            )
        )
    first = min((node.started for node in found), default=0.0)
    return sorted(
        (Node(**{**vars(node), "started": node.started - first}) for node in found),
        key=lambda node: (node.started, node.name),
    )


def rows_of(build_file: Path) -> dict[str, int]:
    """Rows of every table of the build, by name; nothing where the file cannot be opened."""
    try:
        with duckdb.connect(str(build_file), read_only=True) as connection:
            query = "select table_name, estimated_size from duckdb_tables()"
            return dict(connection.execute(query).fetchall())
    except duckdb.Error:
        return {}


def spilled_of(folder: Path, since: float) -> dict[str, int]:
    """The most bytes that lay on disk while a model was made, of what was written since then."""
    return {
        path.stem: int(json.loads(path.read_text(encoding="utf-8"))["system_peak_temp_dir_size"])
        for path in sorted(folder.glob("*.json"))
        if path.stat().st_mtime >= since
    }


def table_lines(nodes: Sequence[Node]) -> list[str]:
    """The slowest nodes, and how busy the threads were."""
    wall = max(node.started + node.seconds for node in nodes)
    total = sum(node.seconds for node in nodes)
    threads = len({node.thread for node in nodes} - {HOOKS_THREAD}) or 1
    lines = [f"{'seconds':>8} {'of all':>7} {'rows':>12} {'spilled MB':>11}  node"]
    for node in sorted(nodes, key=lambda one: (-one.seconds, one.name))[:SLOWEST_SHOWN]:
        rows = "" if node.rows is None else f"{node.rows:,}"
        spilled = "" if node.spilled_bytes is None else f"{node.spilled_bytes / 1e6:,.0f}"
        share = node.seconds / total if total else 0
        lines.append(
            f"{node.seconds:>8.2f} {share:>7.1%} {rows:>12} {spilled:>11}  {node.kind} {node.name}"
        )
    kinds = {node.kind for node in nodes}
    by_kind = {kind: sum(one.seconds for one in nodes if one.kind == kind) for kind in kinds}
    lines.append(
        f"{wall:.1f} s from the first to the last, {threads} threads busy for "
        f"{total / (threads * wall) if wall else 0:.0%}: "
        + ", ".join(
            f"{kind}s {seconds:.1f} s"
            for kind, seconds in sorted(by_kind.items(), key=lambda one: (-one[1], one[0]))
        )
        + "."
    )
    return lines


def gantt(nodes: Sequence[Node]) -> dict[str, Any]:
    """A Vega-Lite chart: a bar a node over time, a lane a thread, long ones with their names."""
    wall = max(node.started + node.seconds for node in nodes)
    lanes = {thread: place for place, thread in enumerate(sorted({node.thread for node in nodes}))}
    values = [
        {
            "name": node.name if node.seconds >= NAMED_SHARE * wall else "",
            "kind": node.kind,
            "lane": "hooks" if node.thread == HOOKS_THREAD else f"thread {lanes[node.thread] + 1}",
            "start": round(node.started, 3),
            "end": round(node.started + node.seconds, 3),
        }
        for node in nodes
    ]
    along = {"field": "start", "type": "quantitative", "title": "seconds", "scale": {"nice": False}}
    lane = {"field": "lane", "type": "nominal", "title": None}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": values},
        "width": 1600,
        "height": {"step": 220},
        "encoding": {"x": along, "y": lane},
        "layer": [
            {
                "mark": {"type": "bar", "stroke": "white", "strokeWidth": 0.3},
                "encoding": {
                    "x2": {"field": "end"},
                    "color": {"field": "kind", "type": "nominal", "title": None},
                },
            },
            {
                "mark": {"type": "text", "align": "right", "angle": 270, "dx": 100, "dy": 8},
                "encoding": {"text": {"field": "name"}},
            },
        ],
    }


if __name__ == "__main__":
    sentences.run(main, "make profile")
