"""Builds of the demo that the tests of a session share."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

PROJECT = Path(__file__).resolve().parents[2]
NOT_COPIED = ("target", "logs", "published", "published-prod", "imported", "state")
OWN_VARIABLES = ("RAW_DATA", "RAW_FORMAT", "AS_OF", "STATE", "PYTHONDONTWRITEBYTECODE")
# The report takes longer to draw than a publish to write; its own tests draw it.
os.environ["REPORT"] = "no"


class Build(NamedTuple):
    """A finished `dbt build` of the demo: its file, and the copy of the project it was made in."""

    path: Path
    folder: Path


def copy_project(folder: Path) -> None:
    """Copy the project without what was built or installed in it."""

    def ignored(parent: str, names: list[str]) -> list[str]:
        if Path(parent) == PROJECT:
            return [name for name in names if name in NOT_COPIED or name[0] == "."]
        if Path(parent).parent == PROJECT / "build":
            return [name for name in names if name != ".gitignore"]
        return ["__pycache__"]

    shutil.copytree(PROJECT, folder, ignore=ignored, symlinks=True)


def others_environment() -> dict[str, str]:
    """The environment without what sets anything of the project."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in OWN_VARIABLES and not name.startswith(("SEGMART_", "DBT_"))
    }


def run_dbt(folder: Path, *arguments: str, **environment: str) -> None:
    """Run dbt in a copy of the project with nothing set but `environment`; fail if it does."""
    finished = subprocess.run(
        [Path(sys.executable).with_name("dbt"), *arguments],
        cwd=folder,
        env=others_environment() | {"PWD": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-4000:] + finished.stderr[-2000:]


@pytest.fixture(scope="session")
def build_demo(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Build]:
    """Build the demo in a fresh copy of the project, with own arguments and environment."""

    def build(*arguments: str, target: str = "dev", **environment: str) -> Build:
        folder = tmp_path_factory.mktemp("demo") / "project"
        copy_project(folder)
        run_dbt(folder, "build", *arguments, SEGMART_TARGET=target, **environment)
        return Build(folder / "build" / target / "demo" / "warehouse.duckdb", folder)

    return build


@pytest.fixture(scope="session")
def demo_build(
    build_demo: Callable[..., Build], tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Build:
    """The demo as a plain `dbt build` makes it; read only, made once for all workers."""
    if worker_id == "master":
        return build_demo()
    of_all_workers = tmp_path_factory.getbasetemp().parent
    made = of_all_workers / "demo_build"
    with (of_all_workers / "demo_build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.is_file():
            made.write_text("\n".join(map(str, build_demo())), encoding="utf-8")
        path, folder = made.read_text(encoding="utf-8").splitlines()
    return Build(Path(path), Path(folder))
