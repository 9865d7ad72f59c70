"""Write the files of a new metric from `templates/metric/`: `make new-metric NAME=...`.

For whoever writes SQL and no more: a mart by segment, its YAML with the metric, and a test.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import yaml  # type: ignore[import-untyped]

from pipeline import sentences
from pipeline.sentences import UserError
from pipeline.settings import Settings

TEMPLATES = Path("templates", "metric")
OWN_METRICS = Path("models", "semantic", "own")
# MetricFlow takes two underscores for a separator, and these names for its own.
_IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
LONGEST_NAME = 48
TAKEN = ("metric_time", "second", "minute", "hour", "day", "week", "month", "quarter", "year")
NAMED_KINDS = ("models", "seeds", "semantic_models", "metrics")
PLACEHOLDERS = re.compile(r"NAME|LABEL|DESCRIPTION")


def main() -> None:
    """Write the files of the metric that NAME names."""
    settings = Settings.from_environment()
    name = os.environ.get("NAME", "").strip()
    description = " ".join(os.environ.get("DESCRIPTION", "").split())
    written = [settings.shown(path) for path in write(name, description, settings.root)]
    print("\n".join(written))
    asks = "" if description else f" and a description into {written[1]}"
    print(f"Put your SQL into {written[0]}{asks}, then run dbt build --select {name}.")


def write(name: str, description: str, root: Path) -> list[Path]:
    """Write model, YAML and test of a metric into the project; return their paths.

    Without a description the YAML lacks one, and the build asks for it.

    Raises UserError, with nothing written, for a name that is none or is taken, and for a
    description that cannot stand in YAML between double quotes.
    """
    _refuse_bad(name)
    if re.search(r'["\\{}]', description):
        raise UserError('DESCRIPTION has one of " \\ { } in it; write it without.')
    files = {
        "model.sql": root / OWN_METRICS / f"{name}.sql",
        "model.yml": root / OWN_METRICS / f"{name}.yml",
        "test.sql": root / "tests" / "data" / f"{name}_counts_nobody_twice.sql",
    }
    for path in files.values():
        if path.exists():
            raise UserError(f"{path.relative_to(root)} is there already; choose another NAME.")
    wanted = {name, f"{name}_total", f"{name}_customers"}
    for taken, where in _names(root):
        if taken in wanted:
            raise UserError(f"{taken} is there already, in {where}; choose another NAME.")
    values = {
        "NAME": name,
        "LABEL": name.replace("_", " ").capitalize(),
        "DESCRIPTION": description,
    }
    for template, path in files.items():
        text = (root / TEMPLATES / template).read_text(encoding="utf-8")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PLACEHOLDERS.sub(lambda found: values[found[0]], text), encoding="utf-8")
    return list(files.values())


def _refuse_bad(name: str) -> None:
    if not name:
        raise UserError("NAME is missing; say make new-metric NAME=clicks_per_active_customer.")
    if not _IDENTIFIER.fullmatch(name) or len(name) > LONGEST_NAME:
        raise UserError(
            f"NAME is {name}, which is no name of a metric; use at most {LONGEST_NAME} lower-case "
            "letters, digits and single _, a letter first."
        )
    reserved = duckdb.execute(
        "select count(*) from duckdb_keywords() "
        "where keyword_category = 'reserved' and keyword_name = ?",
        [name],
    ).fetchone()
    if name in TAKEN or reserved != (0,):
        raise UserError(f"NAME is {name}, a word that SQL or MetricFlow keeps; choose another.")


def _names(root: Path) -> Iterator[tuple[str, str]]:
    """Every model, seed, metric and measure with the file that has it."""
    for folder in ("models", "python_models", "seeds"):
        for path in sorted((root / folder).rglob("*")):
            where = str(path.relative_to(root))
            if path.suffix in (".sql", ".py", ".csv"):
                yield path.stem, where
            if path.suffix == ".yml":
                for name in _names_in(yaml.safe_load(path.read_text(encoding="utf-8")) or {}):
                    yield name, where


def _names_in(content: Any) -> Iterator[str]:
    for kind in NAMED_KINDS:
        for entry in content.get(kind) or ():
            yield str(entry["name"])
            for measure in entry.get("measures") or ():
                yield str(measure["name"])


if __name__ == "__main__":
    sentences.run(main, "make new-metric")
