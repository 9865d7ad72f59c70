"""What the environment asks for, checked once, in one place."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from pipeline.sentences import UserError

TARGETS = ("dev", "prod")
DEMO_KEY = "demo"
BUILD_FILE_NAME = "warehouse.duckdb"
FORCEABLE = {
    "older": "publishes although a newer as-of date is published",
    "source": "publishes although another source is published",
}
# As profiles/profiles.yml has it, which dbt reads without this module.
MEMORY_LIMIT = "4GB"
_MEMORY = re.compile(r"\s*\d+(\.\d+)?\s*[KMGT]i?B\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Settings:
    """One command's settings; all paths are absolute.

    `raw_data` is None for the demo. `forced` holds the names in SEGMART_FORCE. `memory_limit` and
    `spill_folder` are DuckDB's; it spills beside the build file where that is None.
    """

    root: Path
    target: str
    raw_data: Path | None
    as_of: date | None
    source_key: str
    build_folder: Path
    published_folder: Path
    logs_folder: Path
    forced: frozenset[str]
    memory_limit: str
    spill_folder: Path | None

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, root: Path | None = None
    ) -> Settings:
        """Settings of this environment, for the project in `root` (the working directory).

        Raises UserError for a target, folder, date or force that cannot be meant.
        """
        environment = os.environ if environment is None else environment
        root = Path.cwd() if root is None else root.absolute()
        if not (root / "dbt_project.yml").is_file():
            raise UserError(
                f"{root} holds no dbt_project.yml; run this in the project's own folder."
            )
        target = environment.get("SEGMART_TARGET", "").strip() or TARGETS[0]
        if target not in TARGETS:
            raise UserError(f"SEGMART_TARGET names {target}; the targets are dev and prod.")
        raw_data = _raw_data(environment.get("RAW_DATA", ""), root)
        source_key = source_key_of(raw_data)
        build_folder = root / "build" / target / source_key
        published = environment.get("PUBLISHED", "").strip()
        default_published = "published" if target == "dev" else f"published-{target}"
        return cls(
            root=root,
            target=target,
            raw_data=raw_data,
            as_of=iso_date("AS_OF", environment.get("AS_OF", "")),
            source_key=source_key,
            build_folder=build_folder,
            published_folder=absolute_path(published or default_published, root),
            logs_folder=root / "logs",
            forced=_forced(environment.get("SEGMART_FORCE", "")),
            memory_limit=_memory_limit(environment.get("MEMORY_LIMIT", MEMORY_LIMIT)),
            spill_folder=spill_folder_of(
                build_folder / BUILD_FILE_NAME, environment.get("SPILL_FOLDER", "")
            ),
        )

    @property
    def build_file(self) -> Path:
        """The DuckDB file dbt writes for this target and source."""
        return self.build_folder / BUILD_FILE_NAME

    @property
    def gate_file(self) -> Path:
        """The gate's verdict on the build beside it."""
        return self.build_folder / "gate.json"

    @property
    def published_columns_file(self) -> Path:
        """The raw columns that the last published build had; a later build may not lose them."""
        return self.build_folder / "published_columns.csv"

    @property
    def duckdb_config(self) -> dict[str, str]:
        """What DuckDB is told of memory and disk by commands that open the build file."""
        told = {"memory_limit": self.memory_limit, "temp_directory": self.spill_folder}
        return {name: str(value) for name, value in told.items() if value is not None}

    def shown(self, path: Path) -> str:
        """A path as a reader types it: relative to the project where it lies inside."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def published_versions_kept(self) -> int:
        """How many Parquet folders stay, from the var of that name in dbt_project.yml."""
        return self.whole_number("published_versions_kept", least=1)

    def currency(self) -> str:
        """What amounts are in, from the var of that name in dbt_project.yml; may be empty."""
        return str(self.variable("currency") or "")

    def whole_number(self, name: str, least: int) -> int:
        """A var of dbt_project.yml; raises UserError unless it is whole and at least `least`."""
        value = self.variable(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise UserError(
                f"The var {name} in dbt_project.yml is to be a whole number of at least {least}; "
                f"it is {value}."
            )
        return value

    def variable(self, name: str) -> object:
        """A var of dbt_project.yml as it is written there; None where it is not."""
        project = yaml.safe_load((self.root / "dbt_project.yml").read_text(encoding="utf-8")) or {}
        return (project.get("vars") or {}).get(name)


def source_key_of(raw_data: Path | None) -> str:
    """The build folder's name for a source: `demo`, or 8 hex digits of the folder's path."""
    if raw_data is None:
        return DEMO_KEY
    return hashlib.md5(str(raw_data).encode(), usedforsecurity=False).hexdigest()[:8]


def absolute_path(text: str, root: Path) -> Path:
    """A path as typed, which may begin with ~ or in the project's folder, as an absolute one."""
    return Path(os.path.abspath(root / Path(text).expanduser()))


def _raw_data(text: str, root: Path) -> Path | None:
    if not text.strip():
        return None
    folder = absolute_path(text.strip(), root)
    if not folder.is_dir():
        raise UserError(
            f"RAW_DATA names {folder}, which is not a folder; give the folder that holds "
            "customers.csv or customers.parquet, or leave RAW_DATA out for the demo."
        )
    return folder


def iso_date(name: str, text: str) -> date | None:
    """The date in the setting `name`, None where it is empty; raises UserError for no date."""
    if not text.strip():
        return None
    try:
        parsed = date.fromisoformat(text.strip())
    except ValueError:
        parsed = None
    if parsed is None or parsed.isoformat() != text.strip():
        raise UserError(f"{name} is {text.strip()}, which is no date; write it as 2026-01-31.")
    return parsed


def spill_folder_of(build_file: Path, text: str) -> Path | None:
    """The folder inside SPILL_FOLDER (`text`) that a build file's DuckDB spills to; None if empty.

    Two DuckDBs in one folder would write to the same files.
    """
    if not text.strip():
        return None
    folder = absolute_path(text.strip(), Path.cwd())
    if not folder.is_dir():
        raise UserError(
            f"SPILL_FOLDER names {folder}, which is not a folder; make it, or leave SPILL_FOLDER "
            "out to spill beside the build file."
        )
    key = hashlib.md5(str(build_file).encode(), usedforsecurity=False).hexdigest()[:8]
    return folder / f"segmart-{key}"


def _memory_limit(text: str) -> str:
    if not _MEMORY.fullmatch(text):
        said = text or "empty"
        raise UserError(f"MEMORY_LIMIT is {said}, which is no amount; write it like 8GB.")
    return text


def _forced(text: str) -> frozenset[str]:
    forced = frozenset(name.strip() for name in text.split(",") if name.strip())
    for name in sorted(forced - FORCEABLE.keys()):
        known = "; ".join(f"{known} {meaning}" for known, meaning in FORCEABLE.items())
        raise UserError(f"SEGMART_FORCE names {name}, which nothing asks for ({known}).")
    return forced
