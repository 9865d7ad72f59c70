"""Builds again and again in one process: everything first, then only what new files change.

Whoever makes a second build knows that the project and the machine are those of the first. So every
model is looked at, which costs little where nothing changed, and of the tests only those whose
inputs came out otherwise than before. What does not go well is told by a whole build.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from pipeline import load
from pipeline.settings import Settings

# dbt's lines at debug cost a sixth of the time.
LOG_LEVEL = "info"
# What dbt writes of itself, which nobody reads here, costs a second a run.
UNWRITTEN = "--no-write-json"
# Says to macros/build_state.sql that what a selection leaves out stands.
REST_STANDS = "SEGMART_REST_STANDS"


@dataclass(frozen=True)
class Standing:
    """A finished build, and what it holds: the hash of every node's rows, or of what made them."""

    build_id: str
    contents: Mapping[str, str]


class Rebuild:
    """Build this environment's source; called again and again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        load.prepare(settings)
        self._manifest = load.parse(settings)
        self._last: Standing | None = None

    def __call__(self) -> tuple[list[str], bool]:
        """The sentences that say what failed, and whether the build passed; as `load.build`."""
        last, self._last = self._last, None
        # Another program may have built meanwhile.
        if last is None or last != self._standing() or not self._renew(last.contents):
            failures, passed = load.build(self._settings, self._manifest, LOG_LEVEL)
            if not passed:
                return failures, False
        self._last = self._standing()
        return [], True

    def relations(self) -> dict[str, str]:
        """What the last build holds: the content of each relation, by its name with its schema."""
        contents = self._last.contents if self._last else {}
        nodes: Mapping[str, Any] = self._manifest.nodes
        return {
            f"{nodes[node_id].schema}.{nodes[node_id].alias}": content
            for node_id, content in contents.items()
            if node_id in nodes and nodes[node_id].resource_type != "test"
        }

    def _renew(self, before: Mapping[str, str]) -> bool:
        """Build what changed since; False where something in it failed, which was not told."""
        nodes: Mapping[str, Any] = self._manifest.nodes
        stages = load.stage_of_nodes(self._manifest)
        tests = [node_id for node_id in stages if nodes[node_id].resource_type == "test"]
        without = ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
        if not self._ran(without, {key: stages[key] for key in stages.keys() - set(tests)}):
            return False
        standing = self._standing()
        if standing is None:
            return False
        after = standing.contents
        asked = [
            node_id
            for node_id in tests
            if node_id not in after
            or any(before.get(one) != after.get(one) for one in nodes[node_id].depends_on.nodes)
        ]
        # With nothing to ask, one test says what a run of none would not: that the build is whole.
        asked = asked or tests[:1]
        selected = ["--select", *(nodes[node_id].name for node_id in asked)]
        with _rest_stands():
            return self._ran(selected, {key: stages[key] for key in asked})

    def _ran(self, options: Sequence[str], stages: Mapping[str, str]) -> bool:
        options = [UNWRITTEN, *options]
        ran = load.run_dbt(self._settings, self._manifest, LOG_LEVEL, options, stages)
        return bool(ran.success)

    def _standing(self) -> Standing | None:
        """What the build file holds; None where it is gone, in use or of a killed build."""
        try:
            with duckdb.connect(str(self._settings.build_file), read_only=True) as connection:
                ids = connection.execute("select build_id from internal.build_state").fetchall()
                contents = connection.execute("select node_id, content from internal.recipes")
                return Standing(ids[0][0], dict(contents.fetchall()))
        except duckdb.Error:
            return None


@contextmanager
def _rest_stands() -> Iterator[None]:
    os.environ[REST_STANDS] = "1"
    try:
        yield
    finally:
        del os.environ[REST_STANDS]
