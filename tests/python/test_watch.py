"""A followed folder is published as it is, whatever lands in it and whenever the watcher dies."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import duckdb
import pytest
from conftest import OWN_VARIABLES, PROJECT, copy_project
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_folders import write_csv

from benchmarks import generate
from pipeline import raw_files, watch
from pipeline.csv_files import UnreadableFile
from pipeline.sentences import UserError

QUIET = 2.0
ENTITIES = ("customers", "transactions")


class FakeBank:
    """Stands for load, gate and publish: refuses files that say `bad`, naming them if asked to."""

    def __init__(self, names_files: bool = True) -> None:
        self.names_files = names_files
        self.published: dict[str, str] = {}
        self.builds: list[set[str]] = []
        self.during: Callable[[], None] = lambda: None
        self.error: Exception | None = None
        self.drawn: list[dict[str, str]] = []

    def draw_report(self) -> None:
        self.drawn.append(self.published)

    def __call__(self, files: Collection[Path], are_unchanged: Callable[[], bool]) -> list[str]:
        contents = {path.name: path.read_text() for path in files}
        self.builds.append(set(contents))
        self.during()
        if self.error:
            raise self.error
        if not are_unchanged():
            raise watch.FolderMoved
        bad = sorted(name for name, text in contents.items() if "bad" in text)
        if bad:
            return [f"transactions/{bad[0]} cannot be read." if self.names_files else "Red."]
        self.published = contents
        return []


class Clock:
    """Looks at a folder as the watcher's loop does, in time of its own."""

    def __init__(self, follower: watch.Watch) -> None:
        self.follower = follower
        self.now = 0.0

    def pass_seconds(self, seconds: float) -> None:
        """Look every half second."""
        for _ in range(round(seconds / watch.POLL_SECONDS)):
            self.now += watch.POLL_SECONDS
            self.follower.look(self.now)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    (folder / "transactions").mkdir(parents=True)
    (folder / "customers.csv").write_text("customers")
    (folder / "transactions" / "a.csv").write_text("first")
    return folder


def followed(folder: Path, bank: FakeBank, published: watch.Published | None = None) -> Clock:
    """A watcher over the folder, which has published what lies there."""
    clock = Clock(watch.Watch(folder, ENTITIES, bank, published or watch.Published(), QUIET))
    clock.pass_seconds(QUIET + 1)
    return clock


def rests_on(folder: Path) -> watch.Published:
    """What a build of the folder's files would say of itself."""
    files = watch.hashed(watch.stamps_of(folder, ENTITIES), {})
    known = frozenset((file.entity, path.name, file.content_hash) for path, file in files.items())
    return watch.Published(watch.input_hash(files), known)


# --- what is a change ---


def test_a_file_is_published_once_it_was_left_alone(folder: Path) -> None:
    bank = FakeBank()
    clock = followed(folder, bank)
    assert set(bank.published) == {"customers.csv", "a.csv"}
    part = folder / "transactions" / "b.csv"
    for length in range(1, 8):
        part.write_text("row " * length)
        clock.pass_seconds(QUIET - watch.POLL_SECONDS)
    assert len(bank.builds) == 1
    clock.pass_seconds(2 * QUIET)
    assert bank.published["b.csv"] == "row " * 7
    clock.pass_seconds(60)
    assert len(bank.builds) == 2


def test_what_is_no_raw_file_is_no_change(folder: Path) -> None:
    bank = FakeBank()
    clock = followed(folder, bank)
    (folder / "notes.txt").write_text("bad")
    (folder / ".customers.csv.swp").write_text("bad")
    for name in (".c.csv", "c.csv.tmp", "c.csv.part", "c.csv.crdownload"):
        (folder / "transactions" / name).write_text("bad")
    (folder / "transactions" / "a.csv").touch()
    clock.pass_seconds(20)
    assert len(bank.builds) == 1


def test_the_same_name_replaced_and_the_same_bytes_under_another_name_are_changes(
    folder: Path,
) -> None:
    bank = FakeBank()
    clock = followed(folder, bank)
    old = folder / "transactions" / "a.csv"
    state = old.stat()
    new = folder / "transactions" / "a.csv.tmp"
    new.write_text("FIRST")
    os.utime(new, ns=(state.st_atime_ns, state.st_mtime_ns))
    os.replace(new, old)
    clock.pass_seconds(2 * QUIET)
    assert bank.published["a.csv"] == "FIRST"
    (folder / "transactions" / "again.csv").write_text("FIRST")
    clock.pass_seconds(2 * QUIET)
    assert set(bank.published) == {"customers.csv", "a.csv", "again.csv"}
    (folder / "transactions" / "again.csv").unlink()
    clock.pass_seconds(2 * QUIET)
    assert set(bank.published) == {"customers.csv", "a.csv"}


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["write", "grow", "touch", "remove", "partial", "rename", "wait"]),
        st.sampled_from(["a.csv", "b.csv", "c.csv"]),
        st.sampled_from(["x", "y", "bad z"]),
        st.integers(0, 7),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(CHANGES)
def test_whatever_happens_the_folder_is_published_and_nothing_is_lost(
    changes: list[tuple[str, str, str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = folder / "transactions"
        bank = FakeBank()
        clock = Clock(watch.Watch(folder, ENTITIES, bank, watch.Published(), QUIET))
        last_write: dict[str, float] = {}
        landed: set[str] = set()

        def nothing_is_half_written() -> None:
            for built in bank.builds[-1]:
                assert clock.now - last_write[built] >= QUIET - watch.POLL_SECONDS

        bank.during = nothing_is_half_written
        for kind, part, text, half_seconds in changes:
            parts.mkdir(exist_ok=True)
            path = parts / part
            if kind == "write":
                path.write_text(text)
            elif kind == "grow" and path.exists():
                path.write_text(path.read_text() + text)
            elif kind == "touch" and path.exists():
                path.touch()
            elif kind == "remove":
                path.unlink(missing_ok=True)
            elif kind == "partial":
                (parts / f"{part}.part").write_text("bad")
            elif kind == "rename" and path.exists():
                os.replace(path, parts / "renamed.csv")
                last_write["renamed.csv"] = clock.now
            if kind not in ("wait", "partial"):
                last_write[part] = clock.now
            landed |= {file.read_text() for file in parts.glob("*.csv")}
            before = {
                file.read_text()
                for file in folder.rglob("*")
                if file.suffix != ".part" and file.is_file()
            }
            clock.pass_seconds(half_seconds / 2)
            after = {file.read_text() for file in folder.rglob("*") if file.is_file()}
            assert before <= after
        clock.pass_seconds(3 * QUIET)
        there = (
            {file.name: file.read_text() for file in parts.glob("*.csv")} if parts.exists() else {}
        )
        if not any("bad" in text for text in there.values()) and (there or bank.builds):
            assert bank.published == there
        assert not any("bad" in text for text in bank.published.values())
        count = len(bank.builds)
        clock.pass_seconds(30)
        assert len(bank.builds) == count


def test_only_changed_files_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = followed(folder, FakeBank())
    read: list[str] = []
    real = watch.csv_files.file_hash
    monkeypatch.setattr(watch.csv_files, "file_hash", lambda path: read.append(path) or real(path))
    (folder / "transactions" / "b.csv").write_text("second")
    clock.pass_seconds(2 * QUIET)
    assert [Path(path).name for path in read] == ["b.csv"]


def test_a_build_sees_the_files_it_began_with_alone(folder: Path) -> None:
    found = raw_files.find_files(folder, "transactions")
    (folder / "transactions" / "b.csv").write_text("second")
    with raw_files.only(found):
        assert raw_files.find_files(folder, "transactions") == found
    assert len(raw_files.find_files(folder, "transactions")) == 2
    (folder / "transactions.csv").write_text("third")
    with raw_files.only(found):
        assert raw_files.find_files(folder, "transactions") == found
    with pytest.raises(UnreadableFile, match="more than once"):
        raw_files.find_files(folder, "transactions")


def test_a_file_that_changes_while_it_is_built_is_built_again(folder: Path) -> None:
    bank = FakeBank()
    part = folder / "transactions" / "a.csv"
    bank.during = lambda: part.write_text("second") and None if len(bank.builds) == 1 else None
    clock = followed(folder, bank)
    assert bank.published == {}
    clock.pass_seconds(2 * QUIET)
    assert bank.published["a.csv"] == "second"


def test_the_report_is_drawn_once_nothing_else_waits(folder: Path) -> None:
    bank = FakeBank()
    part = folder / "transactions" / "b.csv"
    # Lands while the first build is under way, and is built before anything is drawn.
    bank.during = lambda: part.write_text("second") and None if len(bank.builds) == 1 else None
    clock = followed(folder, bank)
    assert bank.drawn == []
    clock.pass_seconds(2 * QUIET)
    assert [set(drawn) for drawn in bank.drawn] == [{"customers.csv", "a.csv", "b.csv"}]
    clock.pass_seconds(30)
    assert len(bank.drawn) == 1
    # Nobody knows whether a watcher before this one still came to it.
    again = FakeBank()
    followed(folder, again, rests_on(folder)).pass_seconds(30)
    assert (again.builds, len(again.drawn)) == ([], 1)


# --- broken files ---


@pytest.mark.parametrize("names_files", [True, False])
def test_a_broken_file_is_set_aside_with_its_report(folder: Path, names_files: bool) -> None:
    bank = FakeBank(names_files)
    clock = followed(folder, bank)
    for name, text in (("b.csv", "bad one"), ("c.csv", "good"), ("d.csv", "bad two")):
        (folder / "transactions" / name).write_text(text)
    clock.pass_seconds(2 * QUIET)
    assert set(bank.published) == {"customers.csv", "a.csv", "c.csv"}
    aside = sorted(path.name for path in (folder / ".quarantine").iterdir())
    digests = [hashlib.md5(text).hexdigest()[:8] for text in (b"bad one", b"bad two")]
    first, second = f"b.csv.{digests[0]}", f"d.csv.{digests[1]}"
    assert aside == [first, f"{first}.txt", second, f"{second}.txt"]
    assert (folder / ".quarantine" / first).read_text() == "bad one"
    report = (folder / ".quarantine" / f"{first}.txt").read_text().splitlines()
    assert report[0] == "transactions/b.csv"
    assert report[1] == ("transactions/b.csv cannot be read." if names_files else "Red.")
    count = len(bank.builds)
    clock.pass_seconds(30)
    assert len(bank.builds) == count
    assert not [path for path in raw_files.files_of(folder) if ".quarantine" in str(path)]


def test_the_last_part_of_a_folder_leaves_no_empty_folder(folder: Path) -> None:
    clock = followed(folder, FakeBank())
    (folder / "transactions" / "a.csv").rename(folder / "transactions.csv")
    (folder / "transactions").rmdir()
    clock.pass_seconds(2 * QUIET)
    (folder / "transactions").mkdir()
    (folder / "transactions" / "b.csv").write_text("bad")
    clock.pass_seconds(2 * QUIET)
    assert not (folder / "transactions").exists()


def test_a_broken_replacement_stays_and_the_next_version_is_published(folder: Path) -> None:
    bank = FakeBank()
    clock = followed(folder, bank)
    (folder / "customers.csv").write_text("bad customers")
    clock.pass_seconds(30)
    assert bank.published["customers.csv"] == "customers"
    assert (folder / "customers.csv").read_text() == "bad customers"
    assert not (folder / ".quarantine").exists()
    assert len(bank.builds) == 2
    (folder / "customers.csv").write_text("new customers")
    clock.pass_seconds(2 * QUIET)
    assert bank.published["customers.csv"] == "new customers"


def test_no_file_is_set_aside_for_a_fault_it_does_not_have(folder: Path) -> None:
    bank = FakeBank(names_files=False)
    clock = followed(folder, bank)
    (folder / "customers.csv").write_text("bad customers")
    (folder / "transactions" / "b.csv").write_text("good")
    clock.pass_seconds(30)
    assert (folder / "transactions" / "b.csv").exists()
    assert not (folder / ".quarantine").exists()
    (folder / "customers.csv").write_text("customers")
    clock.pass_seconds(2 * QUIET)
    assert bank.published["b.csv"] == "good"


def test_trouble_that_is_no_files_is_tried_again_ever_more_seldom(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bank = FakeBank()
    bank.error = UserError("The build file is open in another program.")
    clock = followed(folder, bank)
    clock.pass_seconds(watch.RETRY_SECONDS * 3.1)
    assert len(bank.builds) == 3
    bank.error = RuntimeError("unforeseen")
    (folder / "transactions" / "b.csv").write_text("second")
    clock.pass_seconds(2 * QUIET)
    assert len(bank.builds) == 4
    bank.error = None
    clock.pass_seconds(watch.RETRY_SECONDS)
    assert set(bank.published) == {"customers.csv", "a.csv", "b.csv"}
    assert not (folder / ".quarantine").exists()


def test_a_watcher_started_again_builds_only_what_is_not_published(folder: Path) -> None:
    bank = FakeBank()
    clock = followed(folder, bank, rests_on(folder))
    assert bank.builds == []
    (folder / "transactions" / "b.csv").write_text("bad")
    clock.pass_seconds(2 * QUIET)
    assert not (folder / "transactions" / "b.csv").exists()
    published = rests_on(folder)
    (folder / "transactions" / "c.csv").write_text("third")
    clock = followed(folder, bank, published)
    assert set(bank.published) == {"customers.csv", "a.csv", "c.csv"}


# --- the process ---

FAKE_BUILD = """
import os, sys, time
import duckdb
from pipeline import watch
from pipeline.settings import Settings

settings = Settings.from_environment()

def make(files, are_unchanged):
    watch.tell("building")
    time.sleep(float(os.environ["BUILD_SECONDS"]))
    found = watch.hashed(watch.stamps_of(settings.raw_data, ["transactions"]), {})
    with watch._uninterrupted():
        watch.tell("publishing")
        time.sleep(float(os.environ["PUBLISH_SECONDS"]))
        new = settings.published_folder / "new.duckdb"
        new.unlink(missing_ok=True)
        with duckdb.connect(str(new)) as file:
            file.execute("create schema health")
            file.execute(
                "create table health.build_info as select '2026-01-31' as as_of_on, "
                f"'raw' as source_name, '{watch.input_hash(found)}' as input_hash"
            )
            file.execute(
                "create table health.ingested_files "
                "(entity text, file_name text, content_hash text)"
            )
            file.executemany(
                "insert into health.ingested_files values (?, ?, ?)",
                [[f.entity, path.name, f.content_hash] for path, f in found.items()],
            )
        os.replace(new, settings.published_folder / "warehouse.duckdb")
    watch.tell("published")
    return []

make.draw_report = lambda: None
sys.exit(watch.run(settings, lambda: make, quiet_seconds=0.2))
"""


class Process:
    """A watcher as a process of its own, whose lines can be waited for."""

    def __init__(self, command: list[str], root: Path, **environment: str) -> None:
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in OWN_VARIABLES and not name.startswith(("SEGMART_", "DBT_", "PUBLISHED"))
        }
        self.output = root / f"output-{time.monotonic_ns()}.txt"
        with self.output.open("w") as out:
            self.process = subprocess.Popen(
                command,
                cwd=root,
                env=kept | {"PWD": str(root), "PYTHONPATH": str(PROJECT)} | environment,
                stdout=out,
                stderr=out,
                # Where the tests run in the background, a shell has Ctrl-C ignored.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def wait_for(self, text: str, count: int = 1, seconds: float = 30.0) -> None:
        """Wait until a text was said `count` times."""
        ends = time.monotonic() + seconds
        while self.said().count(text) < count:
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < ends, self.said()
            time.sleep(0.05)

    def end(self, number: int) -> int:
        """Send a signal and wait for the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def said(self) -> str:
        return self.output.read_text()


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    root = tmp_path / "project"
    for folder in (root / "seeds", root / "published", tmp_path / "raw" / "transactions"):
        folder.mkdir(parents=True)
    (root / "dbt_project.yml").touch()
    (root / "seeds" / "raw_transactions.csv").touch()
    (tmp_path / "raw" / "transactions" / "a.csv").write_text("first")
    started: list[Process] = []

    def begin(build_seconds: float = 0.0, publish_seconds: float = 0.0) -> Process:
        process = Process(
            [sys.executable, "-c", FAKE_BUILD],
            root,
            RAW_DATA=str(tmp_path / "raw"),
            BUILD_SECONDS=str(build_seconds),
            PUBLISH_SECONDS=str(publish_seconds),
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.process.kill()
        process.process.wait()


def published_names(root: Path) -> set[str]:
    with duckdb.connect(str(root / "published" / "warehouse.duckdb"), read_only=True) as file:
        return {
            row[0] for row in file.sql("select file_name from health.ingested_files").fetchall()
        }


def test_a_second_watcher_refuses_with_a_sentence(start: Start, tmp_path: Path) -> None:
    first = start()
    first.wait_for("published\n")
    second = start()
    assert second.process.wait(30) != 0
    assert "Another `make watch` follows" in second.said()
    first.end(signal.SIGKILL)
    third = start()
    third.wait_for("following")
    assert third.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly_while_it_waits_builds_and_publishes(
    start: Start, tmp_path: Path, number: int
) -> None:
    published = tmp_path / "project" / "published" / "warehouse.duckdb"
    building = start(build_seconds=60)
    building.wait_for("building")
    assert building.end(number) == 0
    assert not published.exists()
    publishing = start(publish_seconds=1)
    publishing.wait_for("publishing")
    assert publishing.end(number) == 0
    assert published_names(tmp_path / "project") == {"a.csv"}
    waiting = start()
    waiting.wait_for("following")
    time.sleep(1.5)
    assert waiting.end(number) == 0
    assert "building" not in waiting.said()
    for ended in (building, publishing, waiting):
        last = ended.said().strip().splitlines()[-1]
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S+  info     stopped; .*", last)
        assert "Traceback" not in ended.said()


def test_killed_at_any_moment_it_loses_and_doubles_nothing(start: Start, tmp_path: Path) -> None:
    parts = tmp_path / "raw" / "transactions"
    project = tmp_path / "project"
    first = start()
    first.wait_for("published\n")
    assert first.end(signal.SIGTERM) == 0
    for process_number, moment in enumerate(("building", "publishing", "published\n")):
        name = f"part{process_number}.csv"
        (parts / name).write_text(name)
        killed = start(build_seconds=0.5, publish_seconds=0.5)
        killed.wait_for(moment)
        killed.end(signal.SIGKILL)
        again = start()
        again.wait_for("following")
        ends = time.monotonic() + 30
        while name not in published_names(project):
            assert time.monotonic() < ends, again.said()
            time.sleep(0.1)
        time.sleep(1)
        assert again.end(signal.SIGTERM) == 0
        assert again.said().count("building") <= 1
        if moment == "published\n":
            assert "building" not in again.said()
    assert published_names(project) == {"a.csv", "part0.csv", "part1.csv", "part2.csv"}


# --- a real bank ---

AMOUNT = 54_321.09


@pytest.mark.full
def test_a_part_that_lands_is_in_the_published_marts(tmp_path: Path) -> None:
    project, raw = tmp_path / "project", tmp_path / "raw"
    copy_project(project)
    generate.main(["--customers", "600", "--clean", "--out", str(raw)])
    (raw / "transactions").mkdir()
    (raw / "transactions.csv").rename(raw / "transactions" / "a.csv")
    process = Process([sys.executable, "-m", "pipeline.watch"], project, RAW_DATA=str(raw))
    try:
        process.wait_for("published, as of", seconds=900)
        before, customer_id, day = payments(project)
        row = {
            "transaction_id": "LANDED1",
            "customer_id": customer_id,
            "transacted_at": f"{day} 10:00:00",
            "transaction_type": "payment",
            "amount": str(AMOUNT),
            "category": "utilities",
            "is_constructed": "",
        }
        write_csv(raw / "transactions" / "b.csv", [row])
        process.wait_for("published, as of", 2, seconds=900)
        after, *_ = payments(project)
        assert after - before == pytest.approx(AMOUNT, abs=0.005)
        files = watch.hashed(watch.stamps_of(raw, watch.entities(project)), {})
        with duckdb.connect(
            str(project / "published" / "warehouse.duckdb"), read_only=True
        ) as file:
            told = file.sql("select input_hash from health.build_info").fetchall()
        assert told == [(watch.input_hash(files),)]

        (raw / "transactions" / "c.csv").write_text("no,columns,of,ours\n1,2,3,4\n")
        process.wait_for("was set aside", seconds=900)
        assert payments(project)[0] == after
        assert process.end(signal.SIGINT) == 0
        assert (
            process.said().strip().splitlines()[-1].endswith("stopped; what is published is whole")
        )
    finally:
        process.process.kill()
        process.process.wait()


def payments(project: Path) -> tuple[float, str, str]:
    """What is published of payments in all segments, a customer, and the as-of date."""
    published = project / "published"
    with duckdb.connect(str(published / "warehouse.duckdb"), read_only=True) as file:
        rows = file.sql("""
            select sum(total_amount)::double, max(as_of_on)::varchar
            from marts.segment_transactions, health.build_info
            where segmentation = 'behaviour' and transaction_type = 'payment'
        """).fetchall()
    with duckdb.connect(str(published / "customers.duckdb"), read_only=True) as file:
        ids = file.sql("""
            select min(entity_id) from segment_members where segmentation = 'behaviour'
        """).fetchall()
    return rows[0][0], ids[0][0], rows[0][1]
