"""Pages for people from the rows of the evidence: `make docs` writes "How to read a verdict".

Everything but the prose about the kinds of verdict is read from the warehouse: sentences, labels,
figures and reasons. Whoever wrote a sentence may have written anything, so all of it is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from pipeline import sentences
from pipeline.files import write_whole
from pipeline.sentences import UserError
from pipeline.settings import DEMO_KEY, Settings

PAGE_NAME = "how_to_read_a_verdict.md"
Row = Mapping[str, Any]

# Verdict to its label, what it means and what to do.
VERDICTS = {
    "supported": (
        "Holds",
        "The data agree with the sentence, and the uncertainty of the figure does not change that. "
        "Where it names a difference, the difference goes the way it says, is more than chance "
        "explains, and was judged together with all other comparisons of the same figure.",
        "Act on it.",
    ),
    "contradicted": (
        "The opposite holds",
        "The data say otherwise, beyond what chance explains: the difference goes the other way, "
        "or the figure lies outside what the sentence says.",
        "Drop the sentence, and whatever rests on it.",
    ),
    "negligible": (
        "No difference that matters",
        "Whatever the difference is exactly, it is smaller than the least that anybody would act "
        "on. This is not a lack of data: the data show that it is small.",
        "Do not act on it; treat both sides alike.",
    ),
    "unsupported": (
        "Not shown",
        "What the data leave open holds both the sentence and its opposite. It is not refuted; "
        "it is not known.",
        "Test it before you act on it.",
    ),
    "not_identifiable": (
        "This data cannot tell",
        "The answer is not in the data: nobody handed in what it takes, nobody or too few were "
        "counted on one side, rows were made up from totals, or who was shown what was not left "
        "to chance.",
        "Test it, or hand in what is missing.",
    ),
    "circular": (
        "True by construction",
        "The groups were formed with this very figure, or with what it is made from, so they had "
        "to differ in it; or one side of the figure is made from the other. It may well be right; "
        "it describes the groups and finds nothing about them.",
        "Quote the figure to describe a group if it comes out; decide nothing because of it.",
    ),
}
EXPLANATION = (
    "An explanation",
    "It says why customers do something. Nothing in the data measures reasons, so it is listed "
    "under its source, gets no verdict, and supports nothing.",
    "Read it as an idea for a test.",
)
# Of a segmentation, whether no structure was found in it; unknown of labels handed in.
STRUCTURE = {
    False: "**yes**.",
    True: "**none that chance would not make**, so read everything below about them as noise.",
    None: "**not known**; groups handed in as labels are not checked.",
}
STATUSES = {
    "backed": ("Backed", "Every sentence it rests on holds.", "Do it, and watch the figure."),
    "do_not": (
        "Do not",
        "The opposite of a sentence it rests on holds.",
        "Leave it, whatever else speaks for it.",
    ),
    "test_first": (
        "Test first",
        "Neither: at least one sentence it rests on is not known to hold. One that is true by "
        "construction, makes no difference that matters, or explains, backs nothing.",
        "Try it on one of two equal groups drawn by lot, and compare the figure.",
    ),
}


@dataclass(frozen=True)
class Wording:
    """How figures are written, from dbt_project.yml.

    Amounts are in `currency`. `differences` are the figures (mart, metric) that say by themselves
    how far things are apart: of shares these are percentage points, not per cent. `plurals` says
    what the entities of a segmentation are called; customers otherwise.
    """

    currency: str
    differences: frozenset[tuple[str, str]] = frozenset()
    plurals: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Wording:
        """The wording of a project."""
        figures: Any = settings.variable("evidence_figures") or ()
        grains: Any = settings.variable("grains") or {}
        segmentations: Any = settings.variable("segmentations") or ()
        return cls(
            settings.currency(),
            frozenset((one["mart"], one["metric"]) for one in figures if one.get("is_difference")),
            {one["name"]: grains[one["grain"]]["plural"] for one in segmentations},
        )

    def entities(self, row: Row) -> str:
        """What a row about a segmentation counts, in the plural."""
        return self.plurals.get(row["segmentation"], "customers")


# Backslashes keep these from meaning anything in Markdown; & and < would be HTML.
_MEANS_SOMETHING = re.compile(r"[\\`*\[\]|~#$@>]|(?<![^\W_])_|_(?![^\W_])")
_ADDRESS = re.compile(r"(?<=\w):(?=//)|(?<=www)\.", re.IGNORECASE)


def main() -> None:
    """Write the page of the committed docs from the demo's build; no other source goes there."""
    settings = Settings.from_environment()
    if settings.source_key != DEMO_KEY:
        raise UserError(
            f"docs/{PAGE_NAME} shows the demo; leave RAW_DATA out. The page of any other source "
            "is beside its published file."
        )
    if not settings.build_file.is_file():
        raise UserError(
            f"There is no build file {settings.shown(settings.build_file)}; run `make load` first."
        )
    path = settings.root / "docs" / PAGE_NAME
    with duckdb.connect(str(settings.build_file), read_only=True) as warehouse:
        write_whole(path, how_to_read(warehouse, Wording.of(settings)))
    print(settings.shown(path))


# --- the page ---


def how_to_read(warehouse: duckdb.DuckDBPyConnection, wording: Wording) -> str:
    """The page, in Markdown, with the first claim of each verdict as its example.

    `warehouse` has a build or its published copy open; claims are taken in the order of their ids.
    """
    claims = _rows(warehouse, "from evidence.claim_verdicts order by claim_id")
    strategies = _rows(warehouse, "from evidence.recommendations_v2 order by strategy_id")
    ((source, as_of),) = warehouse.sql(
        "select source_name, cast(as_of_on as varchar) from health.build_info"
    ).fetchall()
    examples = {claim["verdict"]: claim for claim in reversed(claims)}
    lines = [
        "# How to read a verdict",
        "",
        "Every sentence about a segment is held against the data. The verdict says what the data "
        "show of it, and one column says whether to act: **use it** is yes, no or test first. A "
        "figure stands with the range it may lie in and the number of customers it rests on. "
        "*Read as* says how the sentence was made testable: dispute that, if you disagree, before "
        "the arithmetic.",
        "",
        f"The build wrote this page from its own rows (source {escaped(source)}, as of {as_of}); "
        "do not edit it.",
        "",
        *structure(warehouse),
        "",
        *_table(
            ("verdict", "use it", "what to do"),
            ((label, use_it(kind), action) for kind, (label, _, action) in VERDICTS.items()),
        ),
    ]
    for kind, words in [*VERDICTS.items(), (None, EXPLANATION)]:
        label, meaning, action = words
        lines += ["", f"## {label}", "", f"{meaning} **{action}**", ""]
        lines += _claim(examples.get(kind), label, wording)
    lines += [
        "",
        "## From verdicts to recommendations",
        "",
        "A strategy names the sentences it rests on, and its status follows from their verdicts "
        "alone.",
    ]
    first = {strategy["status"]: strategy for strategy in reversed(strategies)}
    said = {claim["claim_id"]: claim for claim in claims}
    for status, (label, meaning, action) in STATUSES.items():
        lines += ["", f"### {label}", "", f"{meaning} **{action}**", ""]
        lines += _strategy(first.get(status), label, said, wording)
    return "\n".join(lines) + "\n"


def structure(warehouse: duckdb.DuckDBPyConnection) -> list[str]:
    """Whether the groups are any, which comes before whatever is said of them; one line each."""
    checks = _rows(
        warehouse,
        """
        select distinct segments.segmentation, checks.no_structure_found, checks.reason
        from marts.segments as segments
        left join evidence.segmentation_noise_check as checks using (fit_id)
        order by segments.segmentation
        """,
    )
    lines = ["First of all, are there groups to speak of?", ""]
    for check in checks:
        name = escaped(str(check["segmentation"]).replace("_", " "))
        lines.append(f"- {name}: {STRUCTURE[check['no_structure_found']]}")
        if check["reason"] is not None:
            lines[-1] += f" {escaped(check['reason'])}"
    return lines


def _claim(claim: Row | None, label: str, wording: Wording) -> list[str]:
    """One claim as a quotation and a list, or a sentence where there is none to show."""
    if claim is None:
        return [f"No sentence of this build came out as *{label}*."]
    lines = [f"> {escaped(claim['sentence'])}", ""]
    if claim["verdict"] is not None:
        lines += [
            f"- Verdict: **{escaped(claim['verdict_label'])}**; use it: "
            f"**{escaped(claim['use_it'])}**{_comes_out(claim['figure_reproduces'])}",
            f"- Found: {found(claim, wording)}",
        ]
    if claim["read_as"]:
        lines.append(f"- Read as: {escaped(claim['read_as'])}")
    return [*lines, f"- Why: {escaped(claim['reason'])}"]


def _comes_out(figure_reproduces: bool | None) -> str:
    if figure_reproduces is None:
        return ""
    return f"; what it says {'comes out' if figure_reproduces else 'does not even come out'}"


def _strategy(
    strategy: Row | None, label: str, said: Mapping[str, Row], wording: Wording
) -> list[str]:
    if strategy is None:
        return [f"No strategy of this build came out as *{label}*."]
    lines = [
        f"> {escaped(strategy['strategy'])}",
        "",
        f"- Status: **{label}**",
        f"- Why: {escaped(strategy['reason'])}",
        "- Rests on:",
    ]
    for claim_id in str(strategy["claim_ids"]).split("|"):
        claim = said[claim_id]
        verdict = claim["verdict_label"] or EXPLANATION[0]
        lines.append(f"    - {escaped(claim['sentence'])} (**{escaped(verdict)}**)")
    if watch := watched(strategy, wording):
        lines.append(f"- Watch: {watch}")
    if test := size_of_test(strategy, wording):
        lines.append(f"- Test: {test}")
    return lines


def use_it(verdict: str) -> str:
    """Whether to act, for a verdict of which the build may have no claim."""
    if verdict == "supported":
        return "yes"
    return "test first" if verdict in ("unsupported", "not_identifiable") else "no"


# --- the studies ---


def study(build: duckdb.DuckDBPyConnection, wording: Wording) -> str:
    """What one study says and what came of it, in Markdown, from the file of its build."""
    claims = _rows(build, "from evidence.claim_verdicts order by claim_id")
    strategies = _rows(build, "from evidence.recommendations_v2 order by strategy_id")
    labels = _rows(
        build,
        """
        select distinct labels.label, segments.segment_name, labels.assumption
        from staging.stg_segment_labels as labels
        inner join intermediate.int_segment_references as known
            on labels.segmentation = known.segmentation and labels.label = known.reference
        inner join marts.segments as segments
            on known.segmentation = segments.segmentation and known.segment_id = segments.segment_id
        order by labels.label
        """,
    )
    ((source,),) = build.sql("select source_name from health.build_info").fetchall()
    groups = _rows(
        build,
        """
        select segmentation, sum(entity_count) as entity_count
        from marts.segments
        where segmentation in (select segmentation from evidence.claim_verdicts)
        group by segmentation
        order by segmentation
        """,
    )
    counted = "; ".join(f"{group['entity_count']:,} {wording.entities(group)}" for group in groups)
    counts: dict[str, int] = {}
    for claim in claims:
        label = claim["verdict_label"] or EXPLANATION[0]
        counts[label] = counts.get(label, 0) + 1
    order = [words[0] for words in [*VERDICTS.values(), EXPLANATION]]
    verdicts = "; ".join(f"{label}: {counts[label]}" for label in order if label in counts)
    lines = [
        f"## {escaped(str(source).replace('_', ' ').capitalize())}",
        "",
        f"{counted}, {len(claims)} sentences. {verdicts}.",
        "",
        *structure(build),
        "",
        "### What it says",
        "",
        *_table(
            ("sentence", "read as", "verdict", "use it", "found", "why"),
            (
                (
                    escaped(claim["sentence"]),
                    escaped(claim["read_as"] or ""),
                    escaped(claim["verdict_label"] or EXPLANATION[0]),
                    escaped(claim["use_it"] or ""),
                    found(claim, wording) if claim["verdict"] else "",
                    escaped(claim["reason"]),
                )
                for claim in claims
            ),
        ),
        "",
        "### What it recommends",
        "",
        *_table(
            ("strategy", "status", "why", "watch", "test"),
            (
                (
                    escaped(strategy["strategy"]),
                    STATUSES[strategy["status"]][0],
                    escaped(strategy["reason"]),
                    watched(strategy, wording),
                    size_of_test(strategy, wording),
                )
                for strategy in strategies
            ),
        ),
    ]
    if labels:
        lines += [
            "",
            "### Which group is meant",
            "",
            *_table(
                ("the study's name", "segment here", "taken for granted"),
                (tuple(escaped(value or "") for value in label.values()) for label in labels),
            ),
        ]
    return "\n".join(lines) + "\n"


# --- figures in words ---


def found(claim: Row, wording: Wording) -> str:
    """The number that was judged with its range and count, and the two behind a gap."""
    estimate, figure, unit = claim["estimate"], claim["figure_found"], claim["unit"]
    if unit == "share" and (claim["mart"], claim["metric"]) in wording.differences:
        unit = "points"
    if estimate is None:
        return "no figure" if figure is None else _number(figure, unit, wording)
    is_gap = figure is not None and abs(figure - estimate) > 1e-9 * (1 + abs(figure))
    gap_unit = "points" if is_gap and unit == "share" else unit
    text = _with_range(estimate, claim["estimate_low"], claim["estimate_high"], gap_unit, wording)
    if claim["customer_count"] is not None:
        text += f", {claim['customer_count']:,} {wording.entities(claim)}"
    if not is_gap:
        return text
    sides = [_number(value, unit, wording) for value in (figure, figure - estimate)]
    return f"{sides[0]} against {sides[1]}, a gap of {text}"


def watched(strategy: Row, wording: Wording) -> str:
    """The figure to watch, where it is now and where it is to go; nothing for what is not done."""
    if strategy["status"] == "do_not":
        return ""
    cell = f" ({escaped(strategy['kpi_cell'])})" if strategy["kpi_cell"] else ""
    name = f"{escaped(strategy['kpi_metric'])}{cell} in {escaped(strategy['kpi_mart'])}"
    entities = wording.entities(strategy)
    name += f", {escaped(strategy['segment_name'] or 'all ' + entities)}"
    if strategy["baseline"] is None:
        return name
    baseline, unit = strategy["baseline"], strategy["unit"]
    now = _with_range(baseline, strategy["baseline_low"], strategy["baseline_high"], unit, wording)
    return (
        f"{name}: now {now}, {strategy['customer_count']:,} {entities}; "
        f"aim at {_number(strategy['target'], unit, wording)}"
    )


def size_of_test(strategy: Row, wording: Wording) -> str:
    """How large the two groups of a test are to be, and whether there are enough for them."""
    per_arm = strategy["customers_per_arm"]
    if per_arm is None:
        return ""
    unit = "points" if strategy["unit"] == "share" else strategy["unit"]
    change = _number(strategy["smallest_difference"], unit, wording)
    enough = "there are enough" if strategy["is_test_possible"] else "there are too few today"
    return (
        f"{per_arm:,} {wording.entities(strategy)} in each group would show a change of {change}; "
        f"{enough}"
    )


def _with_range(
    estimate: float, low: float | None, high: float | None, unit: str, wording: Wording
) -> str:
    if low is None or high is None:
        return _number(estimate, unit, wording)
    # A number of impressions is whole with all its range; a mean is so at most by chance.
    number, *ends = _digits([estimate, low, high], unit)
    return f"{number}{_measure(unit, wording)} ({ends[0]} to {ends[1]})"


def _number(value: float, unit: str, wording: Wording) -> str:
    """A number as people write it, with what it is in; `points` are those of a percentage."""
    return _digits([value], unit)[0] + _measure(unit, wording)


def _measure(unit: str, wording: Wording) -> str:
    measures = {"share": " %", "points": " points", "amount": f" {wording.currency}".rstrip()}
    return measures.get(unit, "")


def _digits(values: Sequence[float], unit: str) -> list[str]:
    # Adding zero takes the sign off a zero that rounding made.
    if unit in ("share", "points"):
        return [f"{round(100 * value, 1) + 0.0:.1f}" for value in values]
    if unit == "amount" or all(float(value).is_integer() for value in values):
        return [f"{round(value):,}" for value in values]
    return [f"{round(value, 2) + 0.0:,.2f}" for value in values]


# --- Markdown ---


def escaped(text: object) -> str:
    """Any text as one line that Markdown and HTML show as it is, and that links to nothing."""
    line = "".join(one if one.isprintable() else " " for one in str(text))
    line = sentences.one_line(line).replace("&", "&amp;").replace("<", "&lt;")
    line = _MEANS_SOMETHING.sub(lambda match: f"\\{match[0]}", line)
    return _ADDRESS.sub(lambda match: f"\\{match[0]}", line)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _rows(warehouse: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    found_rows = warehouse.sql(query)
    return [dict(zip(found_rows.columns, row, strict=True)) for row in found_rows.fetchall()]


if __name__ == "__main__":
    sentences.run(main, "make docs")
