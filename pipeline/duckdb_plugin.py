"""What dbt-duckdb needs of Python: a folder for the build file, and a look at raw files.

Loaded by the profile. DuckDB's readers are told everything they have to know (paths, columns,
delimiter, encoding); the functions registered here find that out, and refuse in one sentence what
cannot be read.
"""

from __future__ import annotations

import atexit
import dataclasses
import functools
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.exceptions import DbtRuntimeError

from pipeline import csv_files, raw_files, sentences, state
from pipeline.file_hashes import FileHashes
from pipeline.settings import spill_folder_of


class Plugin(BasePlugin):
    """Registers the `segmart_` functions on every connection."""

    def initialize(self, plugin_config: dict[str, object]) -> None:
        """Make the folder of the build file; DuckDB makes the file but not its folder."""
        assert self.creds is not None
        self._folder = Path(self.creds.path).parent
        self._folder.mkdir(parents=True, exist_ok=True)
        if os.environ.get("SEGMART_PROFILE") == "1":
            (self._folder / "profile").mkdir(exist_ok=True)
        self._hashes = FileHashes(self._folder / "file_hashes.json")
        self._refuse_locked_file()
        # Only at exit does a line come after dbt's own last one.
        if Path(sys.argv[0]).name == "dbt" and "build" in sys.argv:
            atexit.register(print, "Nothing is published yet: make gate checks, make publish does.")

    def _refuse_locked_file(self) -> None:
        """Say in dbt's own way that another program has the build file open."""
        assert self.creds is not None
        try:
            duckdb.connect(self.creds.path).close()
        except duckdb.IOException as error:
            if "Could not set lock" not in str(error):
                raise
            holder = re.search(r"\(PID \d+\)", str(error))
            raise DbtRuntimeError(
                f"The build file {self.creds.path} is open in another program"
                f"{' ' + holder[0] if holder else ''}; close it there, then run the same command "
                "again."
            ) from error

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, object]) -> None:
        """Let DuckDB spill where SPILL_FOLDER says; it takes no other folder once it is open."""
        text = os.environ.get("SPILL_FOLDER", "")
        if folder := spill_folder_of(Path(creds.path).absolute(), text):
            config["temp_directory"] = str(folder)

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Register the functions that `raw()` calls."""
        decoded = self._folder / "decoded"

        def find_files(folder: str, name: str) -> str:
            return _answer(
                lambda: {"paths": [str(p) for p in raw_files.find_files(Path(folder), name)]}
            )

        def files_of(folder: str) -> str:
            return _answer(lambda: {"paths": [str(p) for p in raw_files.files_of(Path(folder))]})

        def open_csv(path: str, name: str, encoding: str, delimiter: str) -> str:
            def look() -> dict[str, object]:
                found = csv_files.open_csv(Path(path), name, encoding, delimiter, decoded)
                return {**dataclasses.asdict(found), "path": str(found.path)}

            return _answer(look)

        def open_parquet(path: str, name: str) -> str:
            return _answer(
                lambda: {"path": path, "header": raw_files.parquet_columns(Path(path), name)}
            )

        def state_files(target: str, source_name: str, raw_data: str) -> str:
            def look() -> dict[str, object]:
                paths = state.read(state.folder_of(target, source_name), raw_data)
                return {"paths": {name: str(path) for name, path in paths.items()}}

            return _answer(look)

        def check_personas(path: str, features: str) -> str:
            # pandas and scipy take a second to import, which a query alone need not wait for.
            from pipeline.personas_file import check

            return _answer(lambda: check(Path(path), json.loads(features)))

        conn.create_function("segmart_check_personas", check_personas)
        conn.create_function("segmart_find_files", find_files)
        conn.create_function("segmart_files_of", files_of)
        conn.create_function("segmart_open_csv", open_csv)
        conn.create_function("segmart_open_parquet", open_parquet)
        conn.create_function("segmart_file_hash", self._hashes.of)
        conn.create_function("segmart_library_hash", library_hash)
        conn.create_function("segmart_state_files", state_files)


@functools.cache
def library_hash() -> str:
    """The md5 of what Python models compute with: the library and the locked versions."""
    root = Path(__file__).parents[1]
    files = [*sorted((root / "segmentation").rglob("*.py")), root / "requirements.lock"]
    return hashlib.md5(b"".join(path.read_bytes() for path in files)).hexdigest()


def _answer(look: Callable[[], dict[str, object]]) -> str:
    """What `look` found, or the sentence that says why it could not, as JSON."""
    try:
        return json.dumps(look())
    except (csv_files.UnreadableFile, state.UnreadableState) as problem:
        return json.dumps({"problem": str(problem)})
    except OSError as error:
        return json.dumps({"problem": f"RAW_DATA: {sentences.of_os_error(error)}; mend that."})
