"""What dbt-duckdb needs of Python: a folder for the build file, and a look at CSV files.

Loaded by the profile. DuckDB's CSV reader is told everything it has to know (columns, delimiter,
encoding); the functions registered here find that out, and refuse a file that cannot be read as
text in one sentence.
"""

from __future__ import annotations

import atexit
import json
import sys
from pathlib import Path

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin

from pipeline import csv_files


class Plugin(BasePlugin):
    """Registers `segmart_open_csv` and `segmart_file_hash` on every connection."""

    def initialize(self, plugin_config: dict[str, object]) -> None:
        """Make the folder of the build file; DuckDB makes the file but not its folder."""
        assert self.creds is not None
        self._folder = Path(self.creds.path).parent
        self._folder.mkdir(parents=True, exist_ok=True)
        # Only at exit does a line come after dbt's own last one.
        if Path(sys.argv[0]).name == "dbt" and "build" in sys.argv:
            atexit.register(print, "Nothing is published yet: make gate checks, make publish does.")

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Register the functions that `raw()` calls."""
        folder = self._folder

        def open_csv(path: str, encoding: str, delimiter: str) -> str:
            try:
                found = csv_files.open_csv(Path(path), encoding, delimiter, folder / "decoded")
            except csv_files.UnreadableCsv as problem:
                return json.dumps({"problem": str(problem)})
            return json.dumps({"path": str(found.path), "header": found.header})

        conn.create_function("segmart_open_csv", open_csv)
        conn.create_function("segmart_file_hash", csv_files.file_hash)
