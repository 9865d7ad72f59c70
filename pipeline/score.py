"""Say which segment a customer is in, from the published fits alone: `make score`.

A customer is a JSON object; the answer is a JSON line for every segmentation that knows one of its
keys. CUSTOMER holds the object or names a file with one a line; left out, lines come from stdin.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from pipeline import sentences
from pipeline.fits import FITS_FOLDER
from pipeline.sentences import UserError
from pipeline.settings import Settings, absolute_path
from segmentation.scoring import Fit, ScoreError, load_fit, score, short

EXAMPLE = """make score CUSTOMER='{"monthly_income": 2500}'"""


def main() -> None:
    """Answer the environment's customers; every line of several gets its answer or its error."""
    # A reader who has seen enough, such as head, ends the command without a word.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    settings = Settings.from_environment()
    fits = published_fits(settings, os.environ.get("SEGMENTATION", "").strip())
    given = os.environ.get("CUSTOMER", "").strip()
    if given.startswith("{"):
        try:
            _print(answers(given, fits))
        except ScoreError as error:
            raise UserError(str(error)) from error
        return
    bad = total = 0
    for number, line in _lines(given, settings):
        total += 1
        try:
            _print(answers(line.decode("utf-8-sig"), fits))
        except ValueError as error:
            bad += 1
            what = str(error) if isinstance(error, ScoreError) else "This is not UTF-8."
            _print([{"line": number, "error": what}])
    if not total:
        raise UserError(f"No customer was handed in; write one a line, or {EXAMPLE}.")
    if bad:
        raise UserError(f"{bad:,} of {total:,} customers could not be scored; each line says why.")


def published_fits(settings: Settings, segmentation: str) -> list[Fit]:
    """The published fits, by name; only that of `segmentation` unless it is empty.

    Raises UserError where there is none, or one cannot be read.
    """
    folder = settings.published_folder / FITS_FOLDER
    files = {path.stem: path for path in sorted(folder.glob("*.json"))}
    if not files:
        raise UserError(f"There is no fit in {settings.shown(folder)}; run `make build` first.")
    if segmentation and segmentation not in files:
        raise UserError(
            f"SEGMENTATION names {short(segmentation)}, which has no published fit; there are "
            f"{', '.join(files)}."
        )
    try:
        return [load_fit(path) for name, path in files.items() if segmentation in ("", name)]
    except ScoreError as error:
        raise UserError(str(error)) from error


def answers(text: str, fits: Sequence[Fit]) -> list[dict[str, Any]]:
    """Score one customer, written as JSON, by every fit that knows one of its features.

    All fits answer for a customer of whom nothing is known. Raises ScoreError with one sentence
    for what is no customer, and for a key that no fit knows.
    """
    customer = _parsed(text)
    features = {name for fit in fits for name in fit.feature_names}
    known = features | {fit.grain_key for fit in fits}
    for key in customer:
        if key not in known:
            names = "; ".join(f"{fit.segmentation}: {', '.join(fit.feature_names)}" for fit in fits)
            raise ScoreError(f"No segmentation has a feature {short(key)}; there are {names}.")
    asked = features & customer.keys()
    return [
        score(
            {key: customer[key] for key in customer if key in (*fit.feature_names, fit.grain_key)},
            fit,
        )
        for fit in fits
        if not asked or not asked.isdisjoint(fit.feature_names)
    ]


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        customer = json.loads(text, object_pairs_hook=_distinct, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ScoreError(f"This is no JSON: {error.msg} at character {error.pos + 1}.") from error
    except RecursionError as error:
        raise ScoreError("This is no customer: its JSON is nested too deeply.") from error
    except ValueError as error:
        if isinstance(error, ScoreError):
            raise
        raise ScoreError("This is no customer: a number in it has too many digits.") from error
    if not isinstance(customer, dict):
        raise ScoreError(
            'This is no customer; write a JSON object such as {"monthly_income": 2500}.'
        )
    return customer


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ScoreError(f"{short(twice)} is there twice.")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ScoreError(f"{name} is not a finite number; leave out what is missing.")


def _lines(given: str, settings: Settings) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers, of the file CUSTOMER names or of stdin."""
    if given in ("", "-"):
        if sys.stdin.isatty():
            raise UserError(
                f"CUSTOMER is missing; write {EXAMPLE}, or name a file with one a line."
            )
        yield from _numbered(sys.stdin.buffer)
        return
    path = absolute_path(given, settings.root)
    try:
        with path.open("rb") as stream:
            yield from _numbered(stream)
    except OSError as error:
        raise UserError(
            f"CUSTOMER is neither a JSON object nor a file that can be read "
            f"({sentences.of_os_error(error)}); write {EXAMPLE}."
        ) from error


def _numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    return ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _print(answers: Iterable[Mapping[str, Any]]) -> None:
    # At once, for whoever writes a line and waits for its answer.
    for answer in answers:
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    sentences.run(main)
