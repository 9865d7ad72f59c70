"""What a finished build read and left, so that the next one knows whether anything is new.

Noted beside the build file once everything is published. What a build reads is known by content
(raw files are read again only where size or time of writing changed), what it left by the stamps
of its files: whoever writes to one of them has them made anew.
"""

from __future__ import annotations

import hashlib
import json
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline import fits, log, publish, raw_files, state
from pipeline.file_hashes import FileHashes, Stamp
from pipeline.report import REPORT_NAME
from pipeline.sentences import UserError
from pipeline.settings import Settings
from pipeline.verdict_page import PAGE_NAME

# What a build reads of the project; hidden files and byte code apart.
PROJECT = (
    "dbt_project.yml",
    "profiles.yml",
    "selectors.yml",
    "requirements.lock",
    "dashboard",
    "expectations",
    "macros",
    "models",
    "pipeline",
    "python_models",
    "seeds",
    "segmentation",
    "tests/data",
)
# What it reads of the environment, besides the folders that Settings and `state` name.
SETTINGS = ("AS_OF", "MEMORY_LIMIT", "RAW_FORMAT", "REPORT", "TZ")
SETTING_PREFIXES = ("DBT_", "SEGMART_")
# What asks for something to be done is done as often as it is asked for.
REQUESTS = ("DBT_FULL_REFRESH", "SEGMART_FIT", "SEGMART_REFIT")

Parts = dict[str, str]


@dataclass(frozen=True)
class Finished:
    """A build that was published whole; `read` and `left` are hashes by what they are of."""

    build_id: str
    as_of_on: str
    source_name: str
    read: Parts
    left: Parts

    def other_now(self, settings: Settings, read: Parts) -> list[str]:
        """Which parts are no longer what they were; raises OSError for what cannot be looked at."""
        now = read | parts_left(settings, self.source_name)
        then = self.read | self.left
        return [part for part in now.keys() | then.keys() if now.get(part) != then.get(part)]


def noted(settings: Settings) -> Finished | None:
    """The last build of this target and source that was published whole, if it left a note."""
    try:
        return Finished(**json.loads(_note(settings).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def note(
    settings: Settings, environment: Mapping[str, str], read: Parts, info: publish.BuildInfo
) -> None:
    """Note that the build just published is of what was read before it began.

    Nothing is noted where any of that changed meanwhile, where another build was published over
    it, or where a file cannot be read or written: that costs a build, and no more.
    """
    try:
        build_id = json.loads(settings.gate_file.read_text(encoding="utf-8"))["build_id"]
        left = parts_left(settings, info.source_name)
        is_still_so = parts_read(settings, environment) == read
        if not is_still_so or publish.published_info(settings) != info:
            return
        finished = Finished(str(build_id), info.as_of_on, info.source_name, read, left)
        unfinished = _note(settings).with_suffix(".begun")
        unfinished.write_text(json.dumps(asdict(finished), indent=2) + "\n", encoding="utf-8")
        unfinished.replace(_note(settings))
    except (OSError, UserError) as error:
        log.write("make build", "not noted", level="warning", message=str(error))


def parts_read(settings: Settings, environment: Mapping[str, str]) -> Parts:
    """Everything that a build's tables depend on, as hashes.

    Raises OSError for a file that cannot be read.
    """
    raw = settings.raw_data
    hashes = FileHashes(settings.build_folder / "file_hashes.json")
    return {
        "the project": hash_of_files(project_files(settings.root), settings.root),
        "the raw files": _hash(
            (str(path), hashes.of(str(path))) for path in (raw_files.files_of(raw) if raw else [])
        ),
        "the settings": _hash(
            sorted(
                (name, value.strip())
                for name, value in environment.items()
                if value.strip() and (name in SETTINGS or name.startswith(SETTING_PREFIXES))
            )
        ),
        "Python and its libraries": _hash([sys.version, *_installed()]),
    }


def hash_of_files(files: Iterable[Path], root: Path) -> str:
    """A hash of files' names below a folder and their contents."""
    return _hash(
        (str(path.relative_to(root)), hashlib.md5(path.read_bytes()).hexdigest()) for path in files
    )


def parts_left(settings: Settings, source_name: str) -> Parts:
    """Everything that a build left, as hashes of its files' stamps."""
    published = settings.published_folder
    latest = (published / "parquet" / "latest").resolve()
    history = state.folder_of(settings.target, source_name)
    return {
        "what is published": _stamps(
            [
                *_database(published / publish.WAREHOUSE),
                *_database(published / publish.CUSTOMERS),
                published / PAGE_NAME,
                published / REPORT_NAME,
                *_files_in(published / fits.FITS_FOLDER),
                *_files_in(latest),
            ]
        ),
        "the build's own books": _stamps(
            [
                *_database(settings.build_file),
                settings.gate_file,
                settings.published_columns_file,
            ]
        ),
        "its history": _stamps(path for path in _files_in(history) if path.name[0] != "."),
    }


def _database(path: Path) -> list[Path]:
    """The file, and what a program that was killed may have left of its writing to it."""
    return [path, path.with_name(f"{path.name}.wal")]


def project_files(root: Path) -> list[Path]:
    """Every file that a build reads of the project, in order."""
    paths = [root / name for name in PROJECT]
    found = [path for path in paths if path.is_file()]
    for folder in paths:
        found += _files_in(folder)
    return [
        path
        for path in found
        if not any(name[0] == "." or name == "__pycache__" for name in path.relative_to(root).parts)
    ]


def _note(settings: Settings) -> Path:
    return settings.build_folder / "finished.json"


def _installed() -> list[str]:
    """The installed packages by name and version, as pip names their folders."""
    return sorted(path.name for path in Path(sysconfig.get_path("purelib")).glob("*.dist-info"))


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _stamps(paths: Iterable[Path]) -> str:
    return _hash((str(path), Stamp.of(path) if path.exists() else None) for path in paths)


def _hash(parts: Iterable[object]) -> str:
    return hashlib.md5(repr(list(parts)).encode()).hexdigest()
