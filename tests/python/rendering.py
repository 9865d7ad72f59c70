"""Renders the project's macros to SQL text without dbt.

The macro files become one Jinja template; what dbt would add (var, adapter.dispatch, return, ...)
has small stand-ins here. Materializations are left out: they are made of statements, not of
expressions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pandas as pd
import yaml  # type: ignore[import-untyped]
from jinja2 import Environment, StrictUndefined, Template
from jinja2.runtime import Context, Macro

ROOT = Path(__file__).resolve().parents[2]
ADAPTER = "duckdb"


class CompilerError(Exception):
    """What exceptions.raise_compiler_error raises; its text is the sentence a user reads."""


class _Return(Exception):
    def __init__(self, value: object) -> None:
        self.value = value


class _DbtContext(Context):
    def call(self, called: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call as Jinja does, but let `return` end the macro and hand back its value."""
        try:
            return super().call(called, *args, **kwargs)
        except _Return as returned:
            if isinstance(called, Macro):
                return returned.value
            raise


@cache
def _environment() -> Environment:
    environment = Environment(
        extensions=["jinja2.ext.do"], undefined=StrictUndefined, autoescape=False
    )
    environment.context_class = _DbtContext
    return environment


@cache
def _macros(root: Path) -> Template:
    files = sorted((root / "macros").rglob("*.sql"))
    texts = [
        file.read_text(encoding="utf-8") for file in files if "materializations" not in file.parts
    ]
    return _environment().from_string("".join(texts))


@cache
def _body(text: str) -> Template:
    return _environment().from_string(text)


@cache
def project_vars(root: Path = ROOT) -> dict[str, Any]:
    """The vars of dbt_project.yml."""
    content = yaml.safe_load((root / "dbt_project.yml").read_text(encoding="utf-8"))
    variables: dict[str, Any] = content["vars"]
    return variables


def render_text(
    body: str,
    *,
    variables: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    root: Path = ROOT,
    **names: Any,
) -> str:
    """Render Jinja text that calls the project's macros, such as a model.

    Args:
        body: the text.
        variables: vars that stand in for those of dbt_project.yml.
        environment: what env_var reads; nothing else is set.
        root: the project whose macros are meant.
        names: what the text and the macros may use besides macros, such as dbt.

    Returns:
        The text; `ref('x')` becomes x and `config(...)` nothing.

    Raises:
        CompilerError: a macro refused what it was given.
    """
    known = {**project_vars(root), **(variables or {})}
    given = environment or {}

    def returned(value: object = "") -> None:
        raise _Return(value)

    def refused(sentence: str) -> None:
        raise CompilerError(sentence)

    def dispatched(name: str, package: str) -> Any:
        return getattr(module, f"{ADAPTER}__{name}", None) or getattr(module, f"default__{name}")

    stand_ins = {
        "var": lambda name: known[name],
        "env_var": lambda name, default: given.get(name, default),
        "ref": lambda name: name,
        "source": lambda schema, name: f"{schema}.{name}",
        "config": lambda **settings: "",
        "return": returned,
        "exceptions": SimpleNamespace(raise_compiler_error=refused),
        "adapter": SimpleNamespace(dispatch=dispatched),
        "modules": SimpleNamespace(re=re),
        "fromyaml": yaml.safe_load,
        "execute": True,
    }
    module = _macros(root).make_module({**stand_ins, **names})
    macros = {name: value for name, value in vars(module).items() if isinstance(value, Macro)}
    return _body(body).render({**stand_ins, **macros, **names}).strip()


def render(macro_call: str, **options: Any) -> str:
    """Render one macro call, such as "ratio('clicks', 'impressions')", to SQL.

    Options and errors are those of `render_text`; names that the call uses are given as keywords.
    """
    return render_text("{{ " + macro_call + " }}", **options)


def render_model(path: str, **options: Any) -> str:
    """Render a model by its path in the project; options and errors are those of `render_text`."""
    root: Path = options.get("root", ROOT)
    return render_text((root / path).read_text(encoding="utf-8"), **options)


def evaluate(expressions: Mapping[str, str], rows: str, *inputs: object) -> dict[str, list[Any]]:
    """Compute SQL expressions in DuckDB.

    Args:
        expressions: name to expression.
        rows: what they are computed from: a relation, or a subquery in parentheses; the pandas
            frame of `inputs` is the table `frame`, any other input is a parameter ($1, $2, ...).
        inputs: at most one frame, and parameters.

    Returns:
        Name to one Python value per row, in the order of the rows.
    """
    parameters = [value for value in inputs if not isinstance(value, pd.DataFrame)]
    items = ", ".join(f'{expression} as "{name}"' for name, expression in expressions.items())
    with duckdb.connect() as connection:
        for value in inputs:
            if isinstance(value, pd.DataFrame):
                connection.register("frame", value)
        found = connection.execute(f"select {items} from {rows}", parameters).fetchall()
    columns: list[list[Any]] = [list(column) for column in zip(*found, strict=True)]
    return dict(zip(expressions, columns or [[] for _ in expressions], strict=True))
