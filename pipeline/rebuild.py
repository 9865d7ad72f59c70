"""Builds again and again in one process: everything first, then only what new files change.

Whoever makes a second build knows that the project and the machine are those of the first. So every
model is looked at, which costs little where nothing changed, and of the tests only those whose
inputs came out otherwise than before. What does not go well is told by a whole build, which takes
back what was appended before its tests were asked (macros/renewal.sql).
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
# Says to macros/renewal.sql and macros/build_state.sql which half of a renewal a run is.
RENEWAL = "SEGMART_RENEWAL"


@dataclass(frozen=True)
class Standing:
    """A finished build, and what it holds: the hash of every node's rows, or of what made them."""

    build_id: str
    is_whole: bool
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
        if last is not None and last == self._standing() and self._renew(last.contents):
            self._last = self._standing()
        if self._last is None or not self._last.is_whole:
            failures, passed = load.build(self._settings, self._manifest, LOG_LEVEL)
            self._last = self._standing() if passed else None
            return failures, passed
        return [], True

    @property
    def build_id(self) -> str:
        """The last build's, where it passed."""
        return self._last.build_id if self._last else ""

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
        models = {key: stages[key] for key in stages.keys() - set(tests)}
        if not self._ran("models", without, models):
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
        return self._ran("tests", selected, {key: stages[key] for key in asked})

    def _ran(self, phase: str, options: Sequence[str], stages: Mapping[str, str]) -> bool:
        options = [UNWRITTEN, *options]
        with _told_to_dbt(phase):
            ran = load.run_dbt(self._settings, self._manifest, LOG_LEVEL, options, stages)
        if ran.success:
            load.tell_counts(ran.result.results, failed=False)
        return bool(ran.success)

    def _standing(self) -> Standing | None:
        """What the build file holds; None where it is gone, in use or of a killed build."""
        try:
            with duckdb.connect(str(self._settings.build_file), read_only=True) as connection:
                [(build_id, is_whole)] = connection.execute(
                    "select build_id, is_complete and is_green from internal.build_state"
                ).fetchall()
                contents = connection.execute("select node_id, content from internal.recipes")
                return Standing(build_id, is_whole, dict(contents.fetchall()))
        except duckdb.Error:
            return None


@contextmanager
def _told_to_dbt(phase: str) -> Iterator[None]:
    os.environ[RENEWAL] = phase
    try:
        yield
    finally:
        del os.environ[RENEWAL]
