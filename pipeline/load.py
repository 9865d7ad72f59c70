"""Build the warehouse with dbt, telling what happens: `make load`.

dbt runs inside this process with its console silenced (its full log is `logs/dbt.log`); what it
does shows as one line a stage, and what goes wrong as one sentence a node.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TextIO

from pipeline import log, sentences
from pipeline.sentences import UserError, one_line
from pipeline.settings import Settings

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

# What the data passes through, from left to right; a stage unknown here comes after these.
STAGES = (
    "seeds",
    "received",
    "staging",
    "intermediate",
    "fits",
    "segments",
    "marts",
    "evidence",
    "health",
    "customers",
    "semantic",
)
SENTENCES_SHOWN = 5
SILENCE_SECONDS = 10.0
OWN_PACKAGES = ("segmentation.", "pipeline.", "importers.")
RUN_TYPES = ("model", "seed", "snapshot", "test", "function")
BAD_STATUSES = ("error", "fail", "runtime error", "partial success")

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_HEAD = re.compile(
    r"^[A-Z][A-Za-z]+(?: [A-Z][A-Za-z]+)* Error(?: in [a-z_ ]+ \S+(?: \(.*\))?)?\s*$"
)
_CALL_TRAIL = re.compile(r"^\s*> (?:in|called by) \S+ .*$")
_DUCKDB_HINT = re.compile(
    r"^\s*(?:LINE \d+:|Candidate bindings:|Did you mean|Possible (?:solutions|fixes):|At:|\* |\^)"
)
_DUCKDB_CLASS = re.compile(r"^(?:[A-Z][A-Za-z]+ )+Error: ")
_OWN_ERROR = re.compile(r"^Invalid Input Error: (?!CSV Error|Error when sniffing)(?=.*[.?!]$)")
_JINJA_TROUBLE = re.compile(r"is undefined|expected token|unexpected '|has no attribute|takes no")
_TRACE_END = re.compile(
    r"^\s*(?P<module>(?:[A-Za-z_]\w*\.)*)(?P<type>[A-Za-z_]\w*)(?:: (?P<text>.*))?$"
)
_LOCKED = re.compile(r'Could not set lock on file "(?P<file>[^"]+)".*?\(PID (?P<pid>\d+)\)', re.S)
_UNREADABLE = re.compile(r'Failed to read (?:\w+ )?file "(?P<file>[^"]+)": (?P<reason>[^\n]+)')
_NOT_ONE_TYPE = re.compile(
    r'Error while reading file "(?P<file>[^"]+)": failed to cast column "(?P<column>[^"]+)" '
    r"from type (?P<type>[^:]+?) to (?P<other>[^:]+?): "
)
_GONE = re.compile(
    r"(?:No files found that match the pattern|No such file or directory:|Cannot open file)"
    r"""\s+["'](?P<file>[^"']+)["']"""
)
_NOT_DUCKDB = re.compile(r'The file "(?P<file>[^"]+)" exists, but it is not a valid DuckDB')


def main() -> int:
    """Build this environment's source; 1 when any node failed."""
    started = time.monotonic()
    settings = Settings.from_environment()
    log.write("make load", "started", target=settings.target, source=settings.source_key)
    prepare(settings)
    failures, passed = build(settings)
    log.write(
        "make load",
        "finished" if passed else "failed",
        level="info" if passed else "error",
        target=settings.target,
        source=settings.source_key,
        failures=failures,
        seconds=round(time.monotonic() - started, 3),
    )
    if passed:
        print(f"The build is in {settings.shown(settings.build_file)}; `make gate` judges it next.")
    return 0 if passed else 1


def prepare(settings: Settings) -> None:
    """Make the folders that dbt writes to, and set what dbt reads of this process."""
    settings.build_folder.mkdir(parents=True, exist_ok=True)
    settings.logs_folder.mkdir(parents=True, exist_ok=True)
    # dbt's macros hash and read the very path that the build folder is named after.
    os.environ["RAW_DATA"] = str(settings.raw_data or "")
    os.environ["SEGMART_TARGET"] = settings.target
    # On a full disk every line that dbt's log has no room for would be a stack trace.
    logging.raiseExceptions = False


def parse(settings: Settings) -> Manifest:
    """Read the project; the files of RAW_DATA are looked for later, by every build anew.

    Raises UserError where the project cannot be read.
    """
    # dbt takes seconds to import; settings are checked before that.
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest

    parsed = dbtRunner().invoke([*_arguments(settings), "parse", "--target", settings.target])
    if not parsed.success or not isinstance(parsed.result, Manifest):
        raise _stopped(parsed.exception, settings)
    return parsed.result


def build(
    settings: Settings, manifest: Manifest | None = None, log_level: str = "debug"
) -> tuple[list[str], bool]:
    """Run `dbt build` without unit tests, tell its stages and failures.

    `manifest` is what `parse` gave, where the project was read before; it can be used again.
    `log_level` is of `logs/dbt.log`: writing at debug takes a sixth of the CPU time.

    Returns the sentences and whether it passed.

    Raises UserError where dbt stopped before it ran any node.
    """
    # Unit tests try the SQL on made-up rows, which no delivery changes; `make test` runs them.
    ran = run_dbt(settings, manifest, log_level, ["--exclude-resource-type", "unit_test"])
    results = ran.result.results
    failures = failure_sentences(results, settings.shown)
    shown = failures[:SENTENCES_SHOWN]
    if len(failures) > SENTENCES_SHOWN:
        shown.append(f"and {len(failures) - SENTENCES_SHOWN} more in logs/dbt.log.")
    if shown:
        print("\n".join(shown), file=sys.stderr, flush=True)
    tell_counts(results, bool(failures))
    return failures, bool(ran.success)


def run_dbt(
    settings: Settings,
    manifest: Manifest | None,
    log_level: str,
    options: Sequence[str],
    stages: Mapping[str, str] | None = None,
) -> Any:
    """Run `dbt build` with options and tell its stages; dbt's result, which may have failed nodes.

    `stages` are those of the nodes that the options select, all unless given.

    Raises UserError where dbt stopped before it ran any node.
    """
    from dbt.cli.main import dbtRunner

    progress = Progress()
    arguments = [*_arguments(settings, log_level), "build", "--target", settings.target, *options]
    with progress.watched():
        manifest = manifest or parse(settings)
        progress.expect(stage_of_nodes(manifest) if stages is None else stages)
        try:
            ran = dbtRunner(manifest=manifest, callbacks=[progress.on_event]).invoke(arguments)
        finally:
            _close_build_file()
    if isinstance(ran.exception, KeyboardInterrupt):
        raise ran.exception
    if getattr(ran.result, "results", None) is None:
        raise _stopped(ran.exception, settings)
    progress.finish()
    return ran


def _close_build_file() -> None:
    """Let go of the build file, which dbt keeps open until its process ends."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    if DuckDBConnectionManager._ENV is not None:
        DuckDBConnectionManager._ENV.close()
        DuckDBConnectionManager.close_all_connections()


def _arguments(settings: Settings, log_level: str = "debug") -> list[str]:
    quiet = ["--quiet", "--no-print", "--log-level", "none", "--log-level-file", log_level]
    return [*quiet, "--log-path", str(settings.logs_folder)]


def tell_counts(results: Iterable[Any], failed: bool) -> None:
    """Print how many nodes warned, and, of a build that failed, how many failed or did not run."""
    statuses = [_status(result) for result in results]
    warned = statuses.count("warn")
    skipped = statuses.count("skipped")
    if warned:
        print(f"{_nodes(warned)} warned; logs/dbt.log says of what.")
    if failed:
        not_run = f" and {_nodes(skipped)} behind them did not run" if skipped else ""
        bad = sum(status in BAD_STATUSES for status in statuses)
        print(
            f"The build failed: {_nodes(bad)} failed{not_run}. What is published stays as it is.",
            file=sys.stderr,
        )


def _stopped(error: BaseException | None, settings: Settings) -> UserError:
    if error is None:
        return UserError("dbt stopped before it ran anything; logs/dbt.log says why.")
    log.write_exception("make load", error)
    return UserError(sentence_of("", str(error), None, settings.shown))


# --- progress ---


class Progress:
    """Prints a line when a stage is done, and one whenever nothing was printed for a while."""

    def __init__(
        self,
        out: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._out = out
        self._clock = clock
        self._silence_seconds = silence_seconds
        self._started = clock()
        self._last_line = self._started
        self._stages: dict[str, str] = {}
        self._open: dict[str, set[str]] = {}
        self._done: set[str] = set()
        self._current = ""
        self._lock = threading.RLock()

    def expect(self, stages: Mapping[str, str]) -> None:
        """Learn which nodes will run: node id to stage."""
        with self._lock:
            self._stages = dict(stages)
            for node_id, stage in stages.items():
                self._open.setdefault(stage, set()).add(node_id)
            self._line(f"{'read':<13}{_nodes(len(self._stages))}")

    def on_event(self, event: Any) -> None:
        """Follow dbt's events; called from its worker threads."""
        if event.info.name in ("NodeStart", "NodeFinished"):
            node_id = event.data.node_info.unique_id
            self.note(node_id, finished=event.info.name == "NodeFinished")

    def note(self, node_id: str, finished: bool) -> None:
        """A node started or finished (skipped nodes finish too)."""
        with self._lock:
            stage = self._stages.get(node_id)
            if stage is None:
                return
            self._current = stage
            waiting = self._open.get(stage, set())
            if finished and node_id in waiting:
                self._done.add(node_id)
                waiting.discard(node_id)
                if not waiting:
                    self._stage_line(stage)

    def finish(self) -> None:
        """Close the stages of which dbt reported less than was expected."""
        with self._lock:
            for stage in sorted((name for name, left in self._open.items() if left), key=_rank):
                self._stage_line(stage)

    def heartbeat(self) -> None:
        """Print where the work is if nothing was printed for a while."""
        with self._lock:
            if self._clock() - self._last_line < self._silence_seconds:
                return
            if self._stages:
                self._stage_line(self._current or "dbt")
            else:
                self._line("reading the project")

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Heartbeats while the block runs."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(min(1.0, self._silence_seconds)):
                self.heartbeat()

        watcher = threading.Thread(target=beat, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()

    def _stage_line(self, stage: str) -> None:
        self._line(f"{stage:<13}{len(self._done):>4} of {_nodes(len(self._stages))}")

    def _line(self, text: str) -> None:
        self._last_line = self._clock()
        print(f"{self._last_line - self._started:6.1f} s  {text}", file=self._out, flush=True)


def stage_of_nodes(manifest: Any) -> dict[str, str]:
    """Every node that `make load` will run, with its stage; tests belong to what they test."""
    own = {
        node_id: _stage_of_path(node)
        for node_id, node in manifest.nodes.items()
        if node.resource_type != "test"
    }
    stages = {}
    for node_id, node in manifest.nodes.items():
        if str(node.resource_type) not in RUN_TYPES or _is_ephemeral(node):
            continue
        if node_id in own:
            stages[node_id] = own[node_id]
            continue
        attached = getattr(node, "attached_node", None)
        tested = [attached] if attached in own else list(node.depends_on.nodes)
        found = [own[tested_id] for tested_id in tested if tested_id in own]
        stages[node_id] = max(found, key=_rank, default="tests")
    return stages


def _stage_of_path(node: Any) -> str:
    parts = PurePosixPath(str(node.original_file_path).replace("\\", "/")).parts
    if parts[0] == "python_models":
        return "fits"
    if parts[0] == "models" and len(parts) > 2:
        return parts[1]
    return parts[0]


def _is_ephemeral(node: Any) -> bool:
    return getattr(getattr(node, "config", None), "materialized", None) == "ephemeral"


def _rank(stage: str) -> tuple[int, str]:
    return (STAGES.index(stage) if stage in STAGES else len(STAGES), stage)


def _nodes(count: int) -> str:
    return "1 node" if count == 1 else f"{count} nodes"


# --- failures as sentences ---


def failure_sentences(results: Iterable[Any], shown: Callable[[Path], str] = str) -> list[str]:
    """One sentence a failed node, each sentence once, in the order they failed."""
    found = [
        sentence_of(result.node.name, result.message or "", result.node, shown, result.failures)
        for result in results
        if _status(result) in BAD_STATUSES
    ]
    return list(dict.fromkeys(found))


def sentence_of(
    node_name: str,
    message: str,
    node: Any = None,
    shown: Callable[[Path], str] = str,
    failures: int | None = None,
) -> str:
    """What a failed node's message says, as one line a person can act on.

    `node` is dbt's node (None where the whole run stopped), `shown` shortens a file's path, and
    `failures` counts the rows a test found. Sentences that the project's own macros and Python
    raise come back intact and alone; the rest names the file that failed.
    """
    message = _COLOUR.sub("", message).replace("\r", "")
    if (sentence := _about_file(message, shown)) is not None:
        return sentence
    kind = str(getattr(node, "resource_type", ""))
    if kind == "test" and message.startswith("Got "):
        return _of_test(node_name, node, failures)
    where = str(getattr(node, "original_file_path", "") or node_name)
    if kind == "operation":
        where = f"The hook {node_name}"
    # Whichever node it was: the next one would have found no more room.
    if sentence := sentences.of_too_small_a_machine(message, "The build", shown):
        return sentence
    about = f"{where} failed: " if where else ""
    if "Traceback (most recent call last):" in message:
        return _of_python(message, about)
    is_compilation = message.lstrip().startswith("Compilation Error") or node is None
    text = _core(message)
    if "enforced contract that failed" in text:
        return about + _of_contract(message)
    own = _OWN_ERROR.sub("", text)
    if own != text or (
        is_compilation and not _JINJA_TROUBLE.search(text) and not _DUCKDB_CLASS.match(text)
    ):
        return own
    return f"{about}{text}"


def _about_file(message: str, shown: Callable[[Path], str]) -> str | None:
    if locked := _LOCKED.search(message):
        return (
            f"The build file {shown(Path(locked['file']))} is open in another program "
            f"(PID {locked['pid']}); close it there, then run the same command again."
        )
    if unreadable := _UNREADABLE.search(message):
        return (
            f"{shown(Path(unreadable['file']))} cannot be read "
            f"({unreadable['reason'].rstrip('. ')}); export it again."
        )
    if cast := _NOT_ONE_TYPE.search(message):
        return (
            f"{shown(Path(cast['file']))} has the column {cast['column']} as {cast['type']}, which "
            f"cannot be read as one with the {cast['other']} of another part; write all parts with "
            "the same types."
        )
    if gone := _GONE.search(message):
        return (
            f"{shown(Path(gone['file']))} was there when the build began and is gone; put it back "
            "or leave it out, then run the same command again."
        )
    if broken := _NOT_DUCKDB.search(message):
        return (
            f"The build file {shown(Path(broken['file']))} is not a DuckDB file; "
            "move it away, then run the same command again."
        )
    return None


def _of_test(name: str, node: Any, failures: int | None) -> str:
    tested = _tested(node)
    of = f" of {tested}" if tested else ""
    rows = "rows" if failures is None else "1 row" if failures == 1 else f"{failures:,} rows"
    return (
        f"Test {name}{of} found {rows} that should not be there; "
        f"see them with: .venv/bin/dbt show --select {name}"
    )


def _tested(node: Any) -> str:
    """The names of the models, seeds or snapshots that a test reads."""
    attached = getattr(node, "attached_node", None)
    ids = [attached] if attached else list(getattr(getattr(node, "depends_on", None), "nodes", ()))
    return " and ".join(str(node_id).split(".")[2] for node_id in ids if node_id.count(".") >= 2)


def _of_python(message: str, about: str) -> str:
    """The last error of a stack trace; alone where our own code raised it as a whole sentence."""
    lines = message.rstrip().split("\n")
    starts = [
        index for index, line in enumerate(lines) if line.strip().startswith("Traceback (most")
    ]
    indent = len(lines[starts[-1]]) - len(lines[starts[-1]].lstrip())
    after = [
        line
        for line in lines[starts[-1] + 1 :]
        if line.strip() and len(line) - len(line.lstrip()) == indent
    ]
    end = _TRACE_END.match(after[0]) if after else None
    if end is None:
        return f"{about}its Python stopped; logs/dbt.log says where."
    text = one_line("\n".join([end["text"] or "", *after[1:]]))
    frames = [line for line in lines[starts[-1] + 1 :] if line.strip().startswith('File "')]
    is_ours = end["module"].startswith(OWN_PACKAGES) or (
        end["type"] == "ValueError" and not (frames and "site-packages" in frames[-1])
    )
    if is_ours and text.endswith((".", "?", "!")):
        return text
    return f"{about}{end['type']}: {text}" if text else f"{about}{end['type']}."


def _of_contract(message: str) -> str:
    """A broken contract's table of columns as words."""
    wrong = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in message.split("\n")
        if line.strip().startswith("|") and "---" not in line and "mismatch_reason" not in line
    ]
    columns = ", ".join(f"{row[0]} ({row[-1]})" for row in wrong if len(row) == 4)
    return f"its columns break its contract: {columns}."


def _core(message: str) -> str:
    """The message without dbt's head, the macros it came through, and DuckDB's pointers."""
    kept: list[str] = []
    for line in message.strip().split("\n"):
        if _CALL_TRAIL.match(line):
            break
        if _DUCKDB_HINT.match(line) and kept:
            break
        if _HEAD.match(line.strip()) or set(line.strip()) <= {"-"}:
            continue
        kept.append(line)
    text = one_line("\n".join(kept))
    text = re.sub(r"^\S+ failed, error: ", "", text)
    return text or "it failed without a message; logs/dbt.log says more."


def _status(result: Any) -> str:
    return str(getattr(result.status, "value", result.status))


if __name__ == "__main__":
    sentences.run(main)
