"""Follow RAW_DATA and keep the published file fresh: `make watch`.

A resident process: dbt is imported and the project read once; what a change asks for goes through
the very functions of `make load`, `make gate` and `make publish`. Nothing is remembered on disk:
what is published says itself which files it rests on.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, TextIO

import duckdb

from pipeline import csv_files, finished, gate, log, publish, raw_files, sentences
from pipeline.file_hashes import Stamp
from pipeline.files import locked
from pipeline.rebuild import Rebuild
from pipeline.sentences import UserError
from pipeline.settings import Settings

POLL_SECONDS = 0.5
RETRY_SECONDS = 60.0
LONGEST_RETRY_SECONDS = 3600.0
QUARANTINE = ".quarantine"


@dataclass(frozen=True)
class RawFile:
    """One file that a build would read: whose rows it holds, and which bytes."""

    entity: str
    stamp: Stamp
    content_hash: str


Files = dict[Path, RawFile]


class Make(Protocol):
    """What is done with files: the real build, or a test's."""

    def __call__(self, files: Collection[Path], are_unchanged: Callable[[], bool]) -> list[str]:
        """Build, judge and publish these files; the sentences that say why it did not."""

    def draw_report(self) -> None:
        """Draw the report of what is published."""


class FolderMoved(Exception):
    """A file that a build was reading changed meanwhile; nothing was published."""


@dataclass(frozen=True)
class Published:
    """What is published: the hash of its input, and every file it or one before it rests on."""

    input_hash: str = ""
    files: frozenset[tuple[str, str, str]] = frozenset()


# --- what lies in the folder ---


def stamps_of(folder: Path, entities: Iterable[str]) -> dict[Path, tuple[str, Stamp]]:
    """Every file that a build would read now, with its entity and stamp."""
    found = {}
    for entity in entities:
        for path in raw_files.candidates(folder, entity):
            # Between being listed and looked at it may have gone.
            with contextlib.suppress(FileNotFoundError):
                found[path] = (entity, Stamp.of(path))
    return found


def hashed(stamps: Mapping[Path, tuple[str, Stamp]], known: Mapping[Path, RawFile]) -> Files:
    """The files with their contents' hashes; read are only those whose stamp is new.

    Raises FolderMoved where a file changes while it is read.
    """
    files = {}
    for path, (entity, stamp) in stamps.items():
        before = known.get(path)
        if before is not None and before.stamp == stamp:
            files[path] = before
            continue
        try:
            content_hash = csv_files.file_hash(str(path))
            if Stamp.of(path) != stamp:
                raise FolderMoved
        except FileNotFoundError as error:
            raise FolderMoved from error
        files[path] = RawFile(entity, stamp, content_hash)
    return files


def input_hash(files: Mapping[Path, RawFile]) -> str:
    """The hash that `health.build_info` has of a build from these files (macros/build_info.sql)."""
    lines = [f"{file.entity}:{path.name}:{file.content_hash}" for path, file in files.items()]
    text = "\n".join(sorted(lines, key=str.lower))
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def is_named(path: Path, texts: Iterable[str]) -> bool:
    """Whether one of the texts names the file."""
    name = re.compile(rf"(?<![\w.-]){re.escape(path.name)}(?![\w-]|\.\w)")
    return any(name.search(text) for text in texts)


class Settled:
    """Says when a folder has been left alone for a while, so that no file is half written."""

    def __init__(self, quiet_seconds: float) -> None:
        self._quiet_seconds = quiet_seconds
        self._last: object = None
        self._since = 0.0

    def see(self, stamps: object, now: float) -> bool:
        """Whether the folder has looked like this for the quiet period."""
        if stamps != self._last:
            self._last, self._since = stamps, now
        return now - self._since >= self._quiet_seconds


# --- what a change leads to ---


class Watch:
    """Follows one folder; `look` is called again and again."""

    def __init__(
        self,
        folder: Path,
        entities: Collection[str],
        make: Make,
        published: Published,
        quiet_seconds: float,
    ) -> None:
        self._folder = folder
        self._entities = entities
        self._make = make
        self._settled = Settled(quiet_seconds)
        self._good = published.files
        self._input_hash = published.input_hash
        self._files: Files = {}
        self._refused_hash = ""
        # A watcher that was killed may have published without drawing.
        self._is_report_due = True
        self._tried: object = None
        self._retry_at = 0.0
        self._retry_seconds = RETRY_SECONDS

    def look(self, now: float) -> None:
        """See what is there; publish it where it is quiet, and other than what is published.

        The report takes longer to draw than marts to publish: it waits until nothing else does.
        """
        stamps = stamps_of(self._folder, self._entities)
        if not self._settled.see(stamps, now):
            return
        if stamps != self._tried:
            self._retry_at, self._retry_seconds = now, RETRY_SECONDS
        if now < self._retry_at:
            return
        self._tried = stamps
        try:
            self._files = hashed(stamps, self._files)
            if input_hash(self._files) in (self._input_hash, self._refused_hash):
                if self._is_report_due and self._input_hash:
                    self._is_report_due = False
                    self._make.draw_report()
                return
            self._tell_changes()
            self._publish(self._files)
        except FolderMoved:
            tell("a file changed while it was read; nothing was published of it")
        except ProjectChanged:
            raise
        except UserError as error:
            # Not the files' fault: another program has the build open, a disk is full.
            self._try_later(now, str(error))
        except Exception as error:
            where = log.write_exception("make watch", error)
            self._try_later(now, f"{type(error).__name__}: the details are in {where}.")

    def _try_later(self, now: float, why: str) -> None:
        tell(f"{why} Trying again in {self._retry_seconds:.0f} s.", level="error")
        self._retry_at = now + self._retry_seconds
        self._retry_seconds = min(2 * self._retry_seconds, LONGEST_RETRY_SECONDS)

    def _publish(self, files: Files) -> None:
        """Publish the files, or those of them that are sound; set aside those that are not."""
        problems = self._made(files)
        if not problems:
            return
        suspects = self._added(files)
        broken = [path for path in suspects if is_named(path, problems)] or suspects
        if not broken or not self._is_green_without(files, broken, suspects):
            self._refused_hash = input_hash(files)
            tell(
                "Nothing was published, and no added file is to blame alone; what is published "
                "stays, and the next change is tried again.",
                level="error",
            )
            return
        self._set_aside_each(files, broken, problems)

    def _is_green_without(self, files: Files, broken: list[Path], suspects: list[Path]) -> bool:
        """Publish without the broken files, else without any suspect, whom `broken` then holds."""
        tell(f"trying without {self._shown(broken)}")
        if not self._made(_without(files, broken)):
            return True
        if len(broken) == len(suspects):
            return False
        broken[:] = suspects
        return not self._made(_without(files, broken))

    def _set_aside_each(self, files: Files, broken: list[Path], problems: list[str]) -> None:
        """Add the files one by one to those that are sound, and set aside each that is not."""
        sound = _without(files, broken)
        for path in broken:
            if len(broken) > 1:
                problems = self._made({**sound, path: files[path]})
                if not problems:
                    sound[path] = files[path]
                    continue
            self._set_aside(path, files[path], problems)

    def _made(self, files: Files) -> list[str]:
        """Why these files cannot be published; nothing where they are now."""
        if input_hash(files) == self._input_hash:
            tell("this is what is published; building it to see that the rest is sound")
        problems = self._make(files.keys(), lambda: _are_unchanged(files))
        if not problems:
            self._is_report_due = True
            self._input_hash = input_hash(files)
            self._good |= {_identity(path, file) for path, file in files.items()}
        return problems

    def _added(self, files: Files) -> list[Path]:
        """Files that no published build knows, under names that none has either.

        A file that replaced a published one is never set aside: without it the source would lack
        what the last published build had.
        """
        names = {(entity, name) for entity, name, _ in self._good}
        return [path for path, file in files.items() if (file.entity, path.name) not in names]

    def _set_aside(self, path: Path, file: RawFile, problems: list[str]) -> None:
        """Move a broken file into the quarantine, with what is wrong with it beside it."""
        shown = path.relative_to(self._folder)
        target = self._folder / QUARANTINE / f"{path.name}.{file.content_hash[:8]}"
        try:
            target.parent.mkdir(exist_ok=True)
            report = target.with_name(f"{target.name}.txt")
            report.write_text("\n".join([str(shown), *problems, ""]), encoding="utf-8")
            os.rename(path, target)
            with contextlib.suppress(OSError):
                if path.parent != self._folder:
                    path.parent.rmdir()
        except OSError as error:
            # A folder that nobody may write to: the file stays, and is not tried again.
            self._refused_hash = input_hash(self._files)
            tell(
                f"{shown} cannot be set aside: {sentences.of_os_error(error)}; remove it.",
                level="error",
            )
            return
        tell(
            f"{shown} was set aside as {target.relative_to(self._folder)}; the text file beside "
            "it says why.",
            level="error",
        )

    def _tell_changes(self) -> None:
        new = [
            path for path, file in self._files.items() if _identity(path, file) not in self._good
        ]
        tell(f"{self._shown(new)} landed" if new else "the folder's files are not those published")

    def _shown(self, paths: Collection[Path]) -> str:
        names = [str(path.relative_to(self._folder)) for path in paths]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return ", ".join(names[:3]) + more


def _identity(path: Path, file: RawFile) -> tuple[str, str, str]:
    return file.entity, path.name, file.content_hash


def _without(files: Files, left_out: Collection[Path]) -> Files:
    return {path: file for path, file in files.items() if path not in left_out}


def _are_unchanged(files: Files) -> bool:
    try:
        return all(Stamp.of(path) == file.stamp for path, file in files.items())
    except FileNotFoundError:
        return False


# --- the real build ---


class Maker:
    """Loads, judges and publishes in this process, with the project read once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._project = _project_stamps(settings.root)
        self._rebuild = Rebuild(settings)
        self._held: Mapping[str, str] = {}
        gate.library()

    def __call__(self, files: Collection[Path], are_unchanged: Callable[[], bool]) -> list[str]:
        """Publish a build from these files alone; the sentences that say why not.

        Raises FolderMoved where one of them changed meanwhile, ProjectChanged where the project
        did, and UserError where no file is at fault.
        """
        if _project_stamps(self._settings.root) != self._project:
            raise ProjectChanged("The project itself changed; start `make watch` again.")
        seconds = _Seconds()
        with _told_in_lines():
            with raw_files.only(files):
                failures, passed = self._rebuild()
            seconds.note("load")
            if not are_unchanged():
                raise FolderMoved
            if not passed:
                return failures or ["The build failed; logs/dbt.log says where."]
            relations = self._rebuild.relations()
            held = {name for name, content in relations.items() if self._held.get(name) == content}
            verdict = gate.judge(self._settings, held)
            # What held is of this process's build, not of one that came between.
            if verdict.build_id != self._rebuild.build_id:
                relations = {}
                verdict = gate.judge(self._settings)
            seconds.note("gate")
            if not verdict.success:
                lines = gate.failure_lines(verdict.failures)
                print("\n".join(line for line in lines if line), file=sys.stderr)
                return [
                    f"{failure.relation}: {failure.expectation} ({failure.observed})"
                    for failure in verdict.failures
                ]
            self._held = relations
            with _uninterrupted():
                info = publish.publish(self._settings)
            seconds.note("publish")
        tell(
            f"published, as of {info.as_of_on}",
            input_hash=info.input_hash,
            seconds=seconds.by_step,
        )
        return []

    def draw_report(self) -> None:
        """Draw the report of what is published; that it cannot be drawn stops nothing."""
        seconds = _Seconds()
        with _told_in_lines(), _uninterrupted():
            is_drawn = publish.draw_report(self._settings)
        seconds.note("report")
        log.write("make watch", "drawn" if is_drawn else "not drawn", seconds=seconds.by_step)


class _Seconds:
    """How long each step of a build took, from the one before."""

    def __init__(self) -> None:
        self.by_step: dict[str, float] = {}
        self._last = time.monotonic()

    def note(self, step: str) -> None:
        """The step has ended."""
        before, self._last = self._last, time.monotonic()
        self.by_step[step] = round(self._last - before, 1)


class ProjectChanged(UserError):
    """What this process read of the project at its start is no longer what is there."""


def published_now(settings: Settings) -> Published:
    """What the published file rests on; nothing where it is absent, or not what is asked for."""
    warehouse = settings.published_folder / publish.WAREHOUSE
    if not warehouse.exists() or settings.raw_data is None:
        return Published()
    info = publish.published_info(settings)
    if info.source_name != _source_name(settings.raw_data):
        return Published()
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.execute(
            "select entity, file_name, content_hash from health.ingested_files"
        ).fetchall()
    is_of_date = settings.as_of is None or info.as_of_on == settings.as_of.isoformat()
    files = frozenset((str(row[0]), str(row[1]), str(row[2])) for row in rows)
    return Published(info.input_hash if is_of_date else "", files)


def _source_name(folder: Path) -> str:
    named = folder / "source_name.txt"
    return named.read_text(encoding="utf-8").strip() if named.is_file() else folder.name


def _project_stamps(root: Path) -> dict[Path, Stamp]:
    """Of what a resident process has read before."""
    return {path: Stamp.of(path) for path in finished.project_files(root)}


# --- lines, signals, one watcher ---


def tell(text: str, level: str = "info", **fields: object) -> None:
    """One line with its time and level for the reader, and one for machines."""
    log.write("make watch", "told", level=level, text=text, **fields)
    _print_line(sys.__stdout__, level, text)


def _print_line(out: TextIO | None, level: str, text: str) -> None:
    at = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    print(f"{at}  {level:<7}  {text}", file=out, flush=True)


class _Lines(io.TextIOBase):
    """Gives what is printed to it a time and a level, line by line."""

    def __init__(self, level: str) -> None:
        self._level = level
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                _print_line(sys.__stdout__, self._level, line)
        return len(text)


@contextlib.contextmanager
def _told_in_lines() -> Iterator[None]:
    with (
        contextlib.redirect_stdout(_Lines("info")),
        contextlib.redirect_stderr(_Lines("error")),
    ):
        yield


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let the block finish before Ctrl-C or SIGTERM is obeyed."""
    asked: list[int] = []
    before = {
        number: signal.signal(number, lambda got, _: asked.append(got))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked:
        raise KeyboardInterrupt


@contextlib.contextmanager
def _only_watcher(settings: Settings) -> Iterator[None]:
    """Hold the source's lock; the system frees it when this process dies."""
    settings.build_folder.mkdir(parents=True, exist_ok=True)
    refused = f"Another `make watch` follows {settings.raw_data}; stop that one first."
    with locked(settings.build_folder / "watch.lock", refused):
        yield


def entities(root: Path) -> list[str]:
    """The names of the raw files, from their seeds."""
    return sorted(path.stem.removeprefix("raw_") for path in (root / "seeds").glob("raw_*.csv"))


def run(settings: Settings, make: Callable[[], Make], quiet_seconds: float) -> int:
    """Follow the folder until Ctrl-C or SIGTERM, which is a clean end.

    `make` gets ready to build; it is called once nobody else is known to follow the folder.
    """
    if settings.raw_data is None:
        raise UserError("RAW_DATA names no folder to follow; say RAW_DATA=/data/bank make watch.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _only_watcher(settings):
            tell(f"following {settings.raw_data}")
            watch = Watch(
                settings.raw_data,
                entities(settings.root),
                make(),
                published_now(settings),
                quiet_seconds,
            )
            while True:
                watch.look(time.monotonic())
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        tell("stopped; what is published is whole")
    return 0


def main() -> int:
    """Follow this environment's RAW_DATA."""
    settings = Settings.from_environment()
    quiet_seconds = settings.whole_number("watch_quiet_seconds", least=0)
    return run(settings, lambda: Maker(settings), quiet_seconds)


if __name__ == "__main__":
    sentences.run(main)
