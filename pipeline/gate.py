"""Judge a build by the suites in `expectations/` before it is published: `make gate`.

A suite is a JSON file in Great Expectations' own format about the one relation that its
`meta.relation` names; the folder it lies in says what it is about (`handed_in`, `handed_out`).
The build file is only read, and the verdict is written beside it for `make publish`.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import logging
import os
import re
import sys
import time
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from pipeline import build_file, files, log, sentences
from pipeline.sentences import UserError, one_line
from pipeline.settings import Settings

SUITES = Path("expectations")
MACROS = "macros.sql"
GROUPS = ("handed_in", "handed_out")
EXAMPLES_SHOWN = 3
EXAMPLE_WIDTH = 160
IS_THERE = "the relation is in the build"
ROWS = "unexpected_rows_expectation"
PLACE = "place in the suite"

# The file is opened read-only, outside transactions, and nothing is ever fetched for it.
ENGINE = {
    "isolation_level": "AUTOCOMMIT",
    "skip_autocommit_rollback": True,
    "pool_reset_on_return": None,
}
CONFIG = {"autoinstall_known_extensions": "false"}


@dataclass(frozen=True)
class Suite:
    """One suite file: the group it belongs to, the relation it is about, what it expects."""

    path: Path
    group: str
    name: str
    relation: str
    expectations: tuple[Mapping[str, Any], ...]

    @property
    def names(self) -> set[str]:
        """Its relation, and whatever else in it can be another's name."""
        text = json.dumps(self.expectations).lower().replace("\\n", " ").replace('\\"', "")
        return {self.relation, *re.findall(r"[a-z_]\w*\.[a-z_]\w*", text)}


@dataclass(frozen=True)
class Failure:
    """An expectation that does not hold: what was observed and some rows that break it.

    `count` is more than 1 where it stands for all the expectations of a suite.
    """

    group: str
    relation: str
    expectation: str
    observed: str
    examples: tuple[str, ...] = ()
    count: int = 1


@dataclass(frozen=True)
class Verdict:
    """What all checkpoints say of one build."""

    build_id: str
    expected: Mapping[str, int]
    failures: tuple[Failure, ...] = field(default=())

    @property
    def success(self) -> bool:
        """Whether every expectation holds."""
        return not self.failures

    def as_json(self) -> dict[str, object]:
        """The verdict as `make publish` reads it; without rows, which may be of persons."""
        return {
            "build_id": self.build_id,
            "success": self.success,
            "expectations": sum(self.expected.values()),
            "failed": [
                {
                    "suite": failure.group,
                    "table": failure.relation,
                    "expectation": failure.expectation,
                    "observed": failure.observed,
                }
                for failure in self.failures
            ],
        }


def main() -> int:
    """Judge this environment's build; 1 when any expectation does not hold."""
    started = time.monotonic()
    settings = Settings.from_environment()
    verdict = judge(settings)
    log.write(
        "make gate",
        "passed" if verdict.success else "failed",
        level="info" if verdict.success else "error",
        target=settings.target,
        source=settings.source_key,
        seconds=round(time.monotonic() - started, 3),
        **verdict.as_json(),
    )
    print("\n".join(suite_lines(verdict)), flush=True)
    if not verdict.success:
        print("\n".join(failure_lines(verdict.failures)), file=sys.stderr)
        return 1
    return 0


def judge(settings: Settings, held: Collection[str] = ()) -> Verdict:
    """Run every checkpoint and write the verdict beside the build.

    `held` names relations whose suites held and that are the same since: what is about them alone
    is not asked again.

    Raises UserError, with no verdict left beside the build, when it cannot be judged.
    """
    build_id = _finished_build(settings)
    try:
        # A verdict from before must not stand for checks that did not run to their end.
        settings.gate_file.unlink(missing_ok=True)
        suites = read_suites(settings.root / SUITES)
        macros = read_macros(settings.root / SUITES / MACROS)
        failures = _run(suites, macros, settings, set(held))
        if _finished_build(settings) != build_id:
            raise UserError("The build changed while it was judged; run `make gate` again.")
        expected = {group: 0 for group in GROUPS}
        for suite in suites:
            expected[suite.group] += len(suite.expectations)
        verdict = Verdict(build_id=build_id, expected=expected, failures=tuple(failures))
        text = json.dumps(verdict.as_json(), indent=2, ensure_ascii=False)
        files.write_whole(settings.gate_file, f"{text}\n")
    except OSError as error:
        raise UserError(f"The gate cannot work: {sentences.of_os_error(error)}.") from error
    return verdict


# --- what is to be judged ---


def _finished_build(settings: Settings) -> str:
    """The build's id; raises UserError where there is no whole, green build."""
    with build_file.opened(settings, "make gate") as build:
        return build_file.finished_build(build, settings, "This build cannot be judged")


def read_suites(folder: Path) -> list[Suite]:
    """All suites of all groups, by group and file name; raises UserError for one that is none."""
    suites = []
    for group in GROUPS:
        found = [_read_suite(path, group) for path in sorted((folder / group).glob("*.json"))]
        if not found:
            raise UserError(f"{SUITES / group} holds no suite; nothing can be judged without.")
        suites += found
    return suites


def _read_suite(path: Path, group: str) -> Suite:
    shown = SUITES / group / path.name
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        expectations = tuple(content["expectations"])
        relation = content["meta"]["relation"]
        name = content["name"]
        if not all(isinstance(one, Mapping) for one in expectations):
            raise TypeError("each expectation is an object")
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{shown} is no suite: it needs a name, a list of expectations and, under meta, "
            f"the relation they are about ({type(error).__name__}: {one_line(str(error))})."
        ) from error
    if not re.fullmatch(r"[a-z_]\w*\.[a-z_]\w*", str(relation)):
        raise UserError(f"{shown} is about {relation}; name one relation with its schema.")
    if not expectations:
        raise UserError(f"{shown} expects nothing; delete it, or say what should hold.")
    return Suite(path=shown, group=group, name=name, relation=relation, expectations=expectations)


def read_macros(path: Path) -> str:
    """The SQL that the suites' queries rest on; raises UserError where it is none."""
    macros = path.read_text(encoding="utf-8")
    with duckdb.connect(":memory:") as connection:
        try:
            connection.execute(macros)
        except duckdb.Error as error:
            raise UserError(f"{SUITES / MACROS} cannot be used: {one_line(str(error))}") from error
    return macros


# --- run the checkpoints ---


def _run(suites: Sequence[Suite], macros: str, settings: Settings, held: set[str]) -> list[Failure]:
    """Every expectation that does not hold, in the order of the suites."""
    gx = library()
    # Great Expectations prints advice of its own, such as a word on every query without a batch.
    with contextlib.redirect_stdout(io.StringIO()):
        config = {**CONFIG, **settings.duckdb_config}
        context: Any = gx.get_context(mode="ephemeral", project_config=_in_memory())
        with _every_connection_knows(macros):
            datasource = context.data_sources.add_sql(
                name="build",
                connection_string=_address(settings.build_file),
                create_temp_table=False,
                kwargs={**ENGINE, "connect_args": {"read_only": True, "config": config}},
            )
            engine = datasource.get_engine()
            try:
                return _failures(gx, context, datasource, suites, held)
            finally:
                engine.dispose()


def library() -> Any:
    """Great Expectations, made quiet; a resident process imports it early, since that takes 5 s."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    os.environ["DO_NOT_TRACK"] = "1"
    warnings.filterwarnings("ignore", module=r"great_expectations|duckdb_sqlalchemy")
    with contextlib.redirect_stdout(io.StringIO()):
        import great_expectations

    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    return great_expectations


def _in_memory() -> Any:
    """A context that keeps everything to itself: no files, no Data Docs, nothing sent."""
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    return DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )


def _address(build_file: Path) -> str:
    from sqlalchemy.engine import URL

    # Great Expectations reads $NAME in an address as something to look up.
    address = URL.create("duckdb", database=str(build_file)).render_as_string()
    return address.replace("$", r"\$")


@contextlib.contextmanager
def _every_connection_knows(macros: str) -> Iterator[None]:
    """Temporary macros belong to a connection, so each new one gets them; none stays open."""
    from sqlalchemy import Engine, event

    opened: list[Any] = []

    def prepare(connection: Any, _record: object) -> None:
        opened.append(connection)
        connection.execute(macros)

    event.listen(Engine, "connect", prepare)
    try:
        yield
    finally:
        event.remove(Engine, "connect", prepare)
        # Great Expectations keeps some, and with them the file, as long as the process lives.
        for connection in opened:
            connection.close()


def _failures(
    gx: Any, context: Any, datasource: Any, suites: Sequence[Suite], held: set[str]
) -> list[Failure]:
    there = _relations(datasource.get_engine())
    failures = [
        Failure(suite.group, suite.relation, IS_THERE, "it is not", count=len(suite.expectations))
        for suite in suites
        if suite.relation not in there
    ]
    for group in GROUPS:
        asked = [
            suite
            for suite in suites
            if suite.group == group and suite.relation in there and not suite.names & there <= held
        ]
        counted = [_counting(gx, suite) for suite in asked]
        broken: dict[Path, dict[int, Any]] = {suite.path: {} for suite in asked}
        for suite, result in _results(gx, context, datasource, group, counted):
            if not result.success:
                broken[suite.path][result.expectation_config.meta[PLACE]] = result
        # Rows are fetched of what does not hold alone: they take another scan.
        told = [_only(suite, broken[suite.path]) for suite in asked if broken[suite.path]]
        for suite, result in _results(gx, context, datasource, f"{group} rows", told):
            first = broken[suite.path][result.expectation_config.meta[PLACE]]
            # What held this time, as after want of memory, is told as it was seen first.
            failures.append(_failure(group, suite.relation, first if result.success else result))
    order = {suite.relation: position for position, suite in enumerate(suites)}
    return sorted(failures, key=lambda failure: order[failure.relation])


def _relations(engine: Any) -> set[str]:
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "select table_schema || '.' || table_name from information_schema.tables"
        ).fetchall()
    return {row[0] for row in rows}


def _counting(gx: Any, suite: Suite) -> Suite:
    """The suite with unexpected rows counted and not fetched."""
    placed = _only(suite, range(len(suite.expectations)))
    counted = [
        {**one, "type": _counting_type(gx)} if one.get("type") == ROWS else one
        for one in placed.expectations
    ]
    return replace(suite, expectations=tuple(counted))


def _only(suite: Suite, places: Collection[int]) -> Suite:
    """The suite's expectations at these places, each with its place."""
    placed = [{**suite.expectations[place], "meta": {PLACE: place}} for place in sorted(places)]
    return replace(suite, expectations=tuple(placed))


@functools.cache
def _counting_type(gx: Any) -> str:
    """The type of an expectation that no row is unexpected, by their count alone."""

    class UnexpectedRowCountExpectation(gx.expectations.UnexpectedRowsExpectation):  # type: ignore[misc]
        metric_dependencies = ("unexpected_rows_query.row_count",)

        def _validate(self, metrics: Any, *_: Any, **__: Any) -> dict[str, Any]:
            return {"success": metrics[self.metric_dependencies[0]] == 0}

    return str(UnexpectedRowCountExpectation.expectation_type)


def _results(
    gx: Any, context: Any, datasource: Any, name: str, suites: Iterable[Suite]
) -> Iterator[tuple[Suite, Any]]:
    """Each suite with each of its expectations' results, from one checkpoint of this name."""
    asked = {f"{name} {suite.path.stem}": suite for suite in suites}
    if not asked:
        return
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(
            name=name,
            validation_definitions=[
                _definition(gx, context, datasource, title, suite) for title, suite in asked.items()
            ],
            result_format={
                "result_format": "COMPLETE",
                "partial_unexpected_count": EXAMPLES_SHOWN,
            },
        )
    )
    for identifier, found in checkpoint.run().run_results.items():
        suite = asked[identifier.expectation_suite_identifier.name]
        for result in found.results:
            yield suite, result


def _definition(gx: Any, context: Any, datasource: Any, title: str, suite: Suite) -> Any:
    schema, table = suite.relation.split(".")
    asset = datasource.add_table_asset(name=title, schema_name=schema, table_name=table)
    batch = asset.add_batch_definition_whole_table("whole")
    try:
        expected = gx.ExpectationSuite(
            name=title, expectations=[dict(one) for one in suite.expectations]
        )
    except Exception as error:
        raise UserError(f"{suite.path} is no suite: {one_line(str(error))}.") from error
    # Great Expectations leaves out what has an unknown type, and raises nothing.
    if len(expected.expectations) != len(suite.expectations):
        raise UserError(
            f"{suite.path} holds {len(suite.expectations)} expectations, and only "
            f"{len(expected.expectations)} of them can be used; the others have an unknown type."
        )
    return context.validation_definitions.add(
        gx.ValidationDefinition(name=title, data=batch, suite=context.suites.add(expected))
    )


# --- failures in words ---


def _failure(group: str, relation: str, result: Any) -> Failure:
    expectation = result.expectation_config
    words = expectation.description or f"{expectation.type} {expectation.kwargs}"
    if trouble := _trouble(result.exception_info):
        return Failure(group, relation, one_line(words), f"cannot be judged: {trouble}")
    found = result.result or {}
    details = found.get("details") or {}
    rows = details.get("unexpected_rows") or found.get("partial_unexpected_list") or []
    observed = found.get("observed_value", found.get("unexpected_count"))
    if "mismatched" in details:
        observed = _mismatch(details["mismatched"])
    elif "unexpected_rows" in details or isinstance(observed, int):
        observed = "1 row" if observed == 1 else f"{observed:,} rows"
    return Failure(
        group=group,
        relation=relation,
        expectation=one_line(words),
        observed=_printable(str(observed)),
        examples=tuple(_example(row) for row in rows[:EXAMPLES_SHOWN]),
    )


def _mismatch(columns: Mapping[str, Sequence[str]]) -> str:
    kinds = {"missing": "missing", "unexpected": "not expected"}
    return "; ".join(
        f"{word}: {', '.join(sorted(columns[kind]))}"
        for kind, word in kinds.items()
        if columns.get(kind)
    )


def _trouble(exceptions: Mapping[str, Any] | None) -> str:
    """The first exception's message, as the database says it; '' where there was none."""
    known = exceptions or {}
    for one in (known, *known.values()):
        if isinstance(one, Mapping) and one.get("exception_message"):
            message = re.sub(r"^\(\S+\) ", "", str(one["exception_message"]))
            first = re.split(r"\n(?:LINE|\[SQL|Candidate|\(Background)", message)[0]
            return _printable(one_line(first))[:300]
    return ""


def _example(row: object) -> str:
    shown = row if isinstance(row, Mapping) else {"value": row}
    text = ", ".join(
        f"{name}: {'null' if value is None else _printable(str(value))}"
        for name, value in shown.items()
    )
    return text if len(text) <= EXAMPLE_WIDTH else f"{text[: EXAMPLE_WIDTH - 3]}..."


def _printable(text: str) -> str:
    """Received text never reaches a terminal as anything but visible characters."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def suite_lines(verdict: Verdict) -> list[str]:
    """One line a group of suites: how many of its expectations hold."""
    lines = []
    for group, count in verdict.expected.items():
        broken = _not_holding(verdict, group)
        lines.append(f"{_in_words(group)}: {count - broken} of {count} expectations hold")
    return lines


def _not_holding(verdict: Verdict, group: str) -> int:
    return sum(failure.count for failure in verdict.failures if failure.group == group)


def failure_lines(failures: Sequence[Failure]) -> list[str]:
    """A table of what does not hold, each with its example rows below it."""
    table = [("suite", "table", "observed", "expectation")]
    table += [
        (_in_words(failure.group), failure.relation, failure.observed, failure.expectation)
        for failure in failures
    ]
    widths = [min(40, max(len(row[place]) for row in table)) for place in range(3)]
    lines = [""]
    for number, row in enumerate(table):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*cells, row[3]]))
        if number > 0:
            lines += [f"    {example}" for example in failures[number - 1].examples]
    count = "1 expectation does" if len(failures) == 1 else f"{len(failures)} expectations do"
    return [*lines, "", f"{count} not hold; this build will not be published."]


def _in_words(group: str) -> str:
    return group.replace("_", " ")


if __name__ == "__main__":
    sentences.run(main)
