"""The build file, as those find it who judge or publish a build."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from pipeline.sentences import UserError, one_line
from pipeline.settings import Settings
from pipeline.sql_text import literal

# The file is attached under its stem, because the views in it name that catalog.
CATALOG = "warehouse"


@contextmanager
def opened(settings: Settings, command: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """The build file, attached read-only as `CATALOG`; while it is open no build can write to it.

    Raises UserError where there is none, or none that can be read; `command` is what may then be
    run again.
    """
    shown = settings.shown(settings.build_file)
    if not settings.build_file.is_file():
        raise UserError(f"There is no build file {shown}; run `make load` first.")
    with duckdb.connect(":memory:", config={**settings.duckdb_config}) as connection:
        try:
            connection.execute(f"attach {literal(settings.build_file)} as {CATALOG} (read_only)")
        except duckdb.Error as error:
            raise UserError(unreadable(shown, error, command, "make load")) from error
        yield connection


def finished_build(build: duckdb.DuckDBPyConnection, settings: Settings, refused: str) -> str:
    """The id of the whole, green build in the `opened` file.

    Raises UserError, whose sentence begins with `refused`, where it holds no such build.
    """
    try:
        state = build.execute(
            f"""
            select build_id, is_complete, is_green, problem
            from {CATALOG}.internal.build_state
            """
        ).fetchall()
    except duckdb.CatalogException:
        state = []
    if len(state) != 1:
        shown = settings.shown(settings.build_file)
        raise UserError(f"{refused}: {shown} holds no whole build; run `make load`.")
    build_id, is_complete, is_green, problem = state[0]
    if problem:
        raise UserError(f"{refused}: {problem.removesuffix('.')}.")
    if not is_complete:
        raise UserError(f"{refused}: the last build did not run to its end; run `make load`.")
    if not is_green:
        raise UserError(
            f"{refused}: the last build failed; logs/dbt.log says where. "
            "Put it right, then run `make load`."
        )
    return str(build_id)


def unreadable(shown: str, error: duckdb.Error, command: str, anew: str) -> str:
    """Why a DuckDB file cannot be opened: who holds it, or what makes it `anew`."""
    message = one_line(str(error))
    if holder := re.search(r"Conflicting lock is held in .*?\(PID (\d+)\)", message):
        return (
            f"{shown} is being written to by another program (PID {holder.group(1)}); "
            f"wait until it is done or close it there, then run `{command}` again."
        )
    return f"{shown} cannot be read ({message}); move it away, then run `{anew}`."
