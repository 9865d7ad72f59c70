"""A Chromium, and the demo's boards served over its published file."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from playwright.sync_api import Browser, sync_playwright

from pipeline import pictures

PROJECT = Path(__file__).resolve().parents[2]
PUBLISHED = PROJECT / "published"
SCREENSHOTS = PROJECT / "screenshots"
SERVED_WITHIN_SECONDS = 600


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder of the demo's published file, as `make build` leaves it."""
    warehouse = PUBLISHED / "warehouse.duckdb"
    if not warehouse.is_file():
        pytest.skip("there is no published/warehouse.duckdb; run make build")
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        ((source,),) = connection.sql("select source_name from health.build_info").fetchall()
    if source != "demo":
        pytest.skip(f"published/warehouse.duckdb is of {source}, not of the demo")
    return PUBLISHED


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; the tests are skipped where there is none."""
    executable = pictures.browser()
    if executable is None:
        pytest.skip("there is no chromium on this machine (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=list(pictures.BROWSER_OPTIONS)
        )
        yield browser
        browser.close()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], str]]:
    """Serve the boards over a published folder with `make dashboard`'s module; its address.

    Each is served from a copy of the project's boards, so that two do not share a folder.
    """
    running: list[subprocess.Popen[str]] = []

    def served(folder: Path) -> str:
        copy = tmp_path_factory.mktemp("project")
        shutil.copytree(PROJECT / "dashboard", copy / "dashboard")
        shutil.copyfile(PROJECT / "dbt_project.yml", copy / "dbt_project.yml")
        port = free_port()
        environment = {
            **os.environ,
            "PUBLISHED": str(folder),
            "PORT": str(port),
            "PYTHONPATH": str(PROJECT),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.dashboard"],
            cwd=copy,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None
        deadline = time.monotonic() + SERVED_WITHIN_SECONDS
        said = ""
        while time.monotonic() < deadline:
            line = process.stdout.readline()
            said += line
            if "telephone" in line:
                return f"http://localhost:{port}"
            assert line or process.poll() is None, said
        raise AssertionError(f"the boards were not served: {said}")

    yield served
    for process in running:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


@pytest.fixture(scope="session")
def address(serve: Callable[[Path], str], published: Path) -> str:
    """Where the demo's boards are served."""
    return serve(published)
