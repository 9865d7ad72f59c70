"""Import and build the studies and write what came of their sentences: `make study-pages`.

`python -m pipeline.study_pages DATA` finds the studies' files in DATA, builds each in a folder of
its own under `imported/`, and replaces `docs/studies.md`. Nothing is published.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb

from pipeline import sentences, verdict_page
from pipeline.files import write_whole
from pipeline.import_source import ImportProblem, import_source
from pipeline.sentences import UserError
from pipeline.settings import Settings

PAGE = Path("docs") / "studies.md"
# Where the file of each importer lies in DATA.
STUDIES = {
    "behavioural_study": Path("seed_001") / "generated_bank_data.csv",
    "customer_behaviour_study": Path("seed_000") / "main_dataset.csv",
    "card_study": Path("card_accounts") / "cc_general.csv",
}
HEAD = """# What three studies say, and what came of it

Every factual sentence of the three studies that can be imported, held against the study's own data,
and every strategy they recommend. [How to read a verdict](how_to_read_a_verdict.md) says what the
verdicts mean. The page is written from builds of the studies (`make study-pages`); do not edit it.
"""


def main() -> None:
    """Import, build and write; the arguments are the folder of the data."""
    if len(sys.argv) != 2:
        raise UserError("Say where the studies' files are: make study-pages DATA=folder")
    data = Path(sys.argv[1]).absolute()
    settings = Settings.from_environment()
    files = [data / path for path in STUDIES.values()]
    if missing := [path for path in files if not path.is_file()]:
        raise UserError(f"There is no {missing[0]}; say where the studies are with DATA=folder.")
    sections = [_built(source, path, settings) for source, path in zip(STUDIES, files, strict=True)]
    write_whole(settings.root / PAGE, page(sections))
    print(PAGE)


def page(sections: list[str]) -> str:
    """The whole page of its studies' sections."""
    return "\n".join([HEAD, *sections])


def _built(source: str, path: Path, settings: Settings) -> str:
    raw = settings.root / "imported" / f"{source}_pages"
    try:
        # An import keeps what lies in its folder, such as claims written by hand; here is none.
        shutil.rmtree(raw, ignore_errors=True)
        import_source(source, path, raw)
    except ImportProblem as problem:
        raise UserError(str(problem)) from None
    environment = {**os.environ, "RAW_DATA": str(raw)}
    environment.pop("AS_OF", None)
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.load"], env=environment, cwd=settings.root, check=False
    )
    if done.returncode:
        raise UserError(f"The build of {source} failed, so {PAGE} stays as it is.")
    build = Settings.from_environment(environment, settings.root).build_file
    with duckdb.connect(str(build), read_only=True) as warehouse:
        return verdict_page.study(warehouse, verdict_page.Wording.of(settings))


if __name__ == "__main__":
    sentences.run(main, "make study-pages")
