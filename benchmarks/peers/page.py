"""The benchmark's numbers as Markdown: what stands between marks in docs/benchmarks.md and README.

python -m benchmarks.peers.page
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import fit
from benchmarks.scale import ROOT

RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- make bench writes this -->", "<!-- to here -->"

NAMES = {
    "floor": "floor: DuckDB's SQL alone",
    "polars": "polars and scikit-learn",
    "pandas": "pandas and scikit-learn",
    "models": "project, the same marts",
    "tested": "project, the same marts with their tests",
    "everything": "project, everything with tests",
    "gate": "project, the gate over everything",
    "unchanged": "project again, nothing new for dbt",
    "published": "make build of that: dbt, gate, published files, report",
    "nothing new": "make build again, nothing new",
    "batch": "project again, a batch of 1 % of the customers",
    "day": "project again, one more day",
}
FIT_FIGURES = {
    "inertia_ratio": "fit of a million customers: inertia / scikit-learn's",
    "adjusted_rand_index": "its adjusted Rand index with scikit-learn's",
    "time_ratio": "its time / scikit-learn's",
    "customers_per_second": "customers assigned by SQL in a second",
    "share_equal_to_predict": "share of them where `predict` puts them",
}
SIZES = ("S", "M", "L")
SLOWEST = 20  # models shown


def write() -> None:
    """Write both files anew between their marks."""
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")


def written() -> dict[Path, str]:
    """Both files as they are to be, from the committed runs."""
    return {
        path: between_marks(path.read_text(encoding="utf-8"), part())
        for path, part in {PAGE: page_part, README: readme_part}.items()
    }


def between_marks(text: str, part: str) -> str:
    """The text with another part between its marks."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{part}\n{END}{rest.split(END)[1]}"


def results() -> dict[str, dict[str, Any]]:
    """The committed runs, by size."""
    files = {size: RESULTS / f"{size}.json" for size in SIZES}
    return {size: json.loads(path.read_text()) for size, path in files.items() if path.is_file()}


def page_part() -> str:
    """All committed runs, the largest first."""
    runs = results()
    return "\n\n".join(
        f"## Size {size}\n\n{tables(runs[size], runs.get('M'))}" for size in reversed(runs)
    )


def readme_part() -> str:
    """The largest committed run: the table of contestants and what it was measured on."""
    runs = results()
    size = next(reversed(runs))
    return f"{heading(runs[size])}\n\n{contestants_table(runs[size])}"


def tables(result: dict[str, Any], smaller: dict[str, Any] | None = None) -> str:
    """A run as Markdown: the machine, contestants, targets, stages and slowest models."""
    parts = [
        heading(result),
        contestants_table(result),
        "### Targets, set for size L",
        targets_table(result, smaller),
    ]
    parts += ["### Stages", stages_table(result), "### Slowest models", slowest_table(result)]
    return "\n\n".join(parts)


def heading(result: dict[str, Any]) -> str:
    """What was measured, on what."""
    machine, rows = result["machine"], result["rows"]
    return (
        f"`make bench SIZE={result['size']} REPEATS={result['repeats']}`:"
        f" {rows['customers']:,} rows of customers, {rows['transactions']:,} transactions,"
        f" {rows['campaign_engagements']:,} engagement rows; {machine['processor']},"
        f" {machine['cores']} cores, {machine['memory_bytes'] / 1e9:.0f} GB, {machine['system']}."
    )


def contestants_table(result: dict[str, Any]) -> str:
    """A row per contestant."""
    told = result["contestants"]
    floor = told.get("floor", {}).get("min_seconds")
    lines = [
        "| who | least s | median s | CPU s | peak GB | read GB | times the floor |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, shown in NAMES.items():
        if name not in told:
            continue
        one = told[name]
        if one["out_of_memory"]:
            lines.append(f"| {shown} | out of memory | | | {one['peak_bytes'] / 1e9:.1f} | | |")
            continue
        reads = [run["read_bytes"] for run in one["runs"] if run["read_bytes"] is not None]
        read = f"{min(reads) / 1e9:.2f}" if reads else ""
        ratio = f"{one['min_seconds'] / floor:.2f}" if floor else ""
        lines.append(
            f"| {shown} | {one['min_seconds']:.1f} | {one['median_seconds']:.1f} |"
            f" {one['min_cpu_seconds']:.1f} | {one['peak_bytes'] / 1e9:.1f} | {read} | {ratio} |"
        )
    return "\n".join(lines)


def targets_table(result: dict[str, Any], smaller: dict[str, Any] | None) -> str:
    """A row per target with what was measured, and whether it is met."""
    lines = ["| what | target | measured | |", "|---|---|---|---|"]
    for what, target, measured, is_met in targets(result, smaller):
        verdict = {True: "met", False: "not met", None: "not measured"}[is_met]
        lines.append(f"| {what} | {target} | {measured} | {verdict} |")
    return "\n".join(lines)


Target = tuple[str, str, str, bool | None]


def targets(result: dict[str, Any], smaller: dict[str, Any] | None) -> list[Target]:
    """What was aimed at for size L, the text of the measured value, and whether it is met.

    None where a contestant is missing from the run.
    """
    least = {name: told["min_seconds"] for name, told in result["contestants"].items()}
    told = result["contestants"]

    def row(
        what: str, target: str, needs: tuple[str, ...], judge: Callable[..., tuple[str, bool]]
    ) -> Target:
        if any(name not in least for name in needs):
            return what, target, "", None
        return what, target, *judge(*(least[name] for name in needs))

    def times_floor(factor: float, extra: float) -> Callable[..., tuple[str, bool]]:
        def judge(seconds: float, floor: float, *more: float) -> tuple[str, bool]:
            whole = seconds + sum(more)
            return (
                f"{whole:.1f} s for {factor * floor + extra:.1f}",
                whole <= factor * floor + extra,
            )

        return judge

    def at_least(factor: float) -> Callable[..., tuple[str, bool]]:
        def judge(seconds: float, *project: float) -> tuple[str, bool]:
            ratio = seconds / sum(project)
            return f"{ratio:.2f}", ratio >= factor

        return judge

    def at_most(factor: float) -> Callable[..., tuple[str, bool]]:
        def judge(seconds: float, full: float) -> tuple[str, bool]:
            return f"{seconds / full:.2f}", seconds / full <= factor

        return judge

    found = [
        row(
            "project, the same marts",
            "1.3 floor + 20 s",
            ("models", "floor"),
            times_floor(1.3, 20),
        ),
        row(
            "project, the same marts with tests and gate",
            "1.8 floor + 40 s",
            ("tested", "floor", "gate"),
            times_floor(1.8, 40),
        ),
        row(
            "project, everything, and the gate",
            "720 s",
            ("everything", "gate"),
            lambda *parts: (f"{sum(parts):.0f} s", sum(parts) <= 720),
        ),
        row(
            "pandas / project with tests and gate",
            "at least 3, or out of memory",
            ("pandas", "tested", "gate"),
            at_least(3),
        ),
        row(
            "polars / project, the same marts", "at least 1.3", ("polars", "models"), at_least(1.3)
        ),
        row("one more day / everything", "at most 0.35", ("day", "everything"), at_most(0.35)),
        row("batch of 1 % / everything", "at most 0.20", ("batch", "everything"), at_most(0.20)),
        row(
            "make build again, nothing new",
            "20 s",
            ("nothing new",),
            lambda s: (f"{s:.1f} s", s <= 20),
        ),
    ]
    if told.get("pandas", {}).get("out_of_memory"):
        found[3] = (*found[3][:2], "out of memory", True)
    return [*found, memory_target(told), growth_target(result, smaller), *fit_targets()]


def memory_target(told: Mapping[str, Any]) -> Target:
    """The largest peak of the project's runs."""
    peaks = [
        one["peak_bytes"] for name, one in told.items() if name not in ("floor", "polars", "pandas")
    ]
    what, target = "peak memory of the project", "under 6 GB"
    if not peaks:
        return what, target, "", None
    return what, target, f"{max(peaks) / 1e9:.1f} GB", max(peaks) < 6e9


def fit_targets() -> list[Target]:
    """Fit and assignment of a million customers, from the committed run of `make bench FIT=1`."""
    path = RESULTS / "fit.json"
    figures = json.loads(path.read_text())["figures"] if path.is_file() else {}
    found: list[Target] = []
    for name, what in FIT_FIGURES.items():
        sense, limit = fit.TARGETS[name]
        target, value = f"{sense} {limit:,.7g}", figures.get(name)
        if value is None:
            found.append((what, target, "", None))
        else:
            found.append((what, target, f"{value:,.7g}", fit.is_reached(name, value)))
    return found


def growth_target(result: dict[str, Any], smaller: dict[str, Any] | None) -> Target:
    """Everything at L over everything at M."""
    what, target = "everything, M to L", "at most 11 times"
    large = result["contestants"].get("everything")
    small = (smaller or {"contestants": {}})["contestants"].get("everything")
    if result["size"] != "L" or not large or not small:
        return what, target, "", None
    growth = large["min_seconds"] / small["min_seconds"]
    return what, target, f"{growth:.1f} times", growth <= 11


def slowest_table(result: dict[str, Any]) -> str:
    """The project's slowest models, in a full build and on top of one."""
    told = result["contestants"]
    shown = [name for name in ("models", "everything", "batch", "day") if name in told]
    if not shown:
        return "The project was not run."
    ranked = "everything" if "everything" in shown else shown[0]
    slowest = sorted(told[ranked]["models"].items(), key=lambda item: -item[1])[:SLOWEST]
    lines = [f"| model | {' | '.join(NAMES[name] for name in shown)} |"]
    lines.append("|---|" + "---:|" * len(shown))
    for model, _ in slowest:
        seconds = [told[name]["models"].get(model) for name in shown]
        cells = ["" if one is None else f"{one:.1f}" for one in seconds]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    return "\n".join(lines)


def stages_table(result: dict[str, Any]) -> str:
    """Each contestant's stages; the scripts' with their rows a second."""
    lines = ["| who | stage | s | thousand rows a s |", "|---|---|---:|---:|"]
    for name, shown in NAMES.items():
        one = result["contestants"].get(name, {})
        for stage, seconds in one.get("stages", {}).items():
            rows = one["stage_rows"].get(stage)
            rate = f"{rows / seconds / 1e3:,.0f}" if rows and seconds else ""
            lines.append(f"| {shown} | {stage.replace('_', ' ')} | {seconds:.1f} | {rate} |")
    return "\n".join(lines)


if __name__ == "__main__":
    write()
