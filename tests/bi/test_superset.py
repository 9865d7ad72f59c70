"""Apache Superset imports what is shipped and gives the marts' numbers, whatever is published.

A Superset of its own, with its own home, that only this machine can reach; its database is a file
in the test's folder.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from published_files import PROJECT, published_demo

from pipeline import superset_assets
from pipeline.publish import publish
from pipeline.settings import Settings

BIN = PROJECT / ".venv-bi" / "superset" / "bin"
BUILD = PROJECT / "build" / "dev" / "demo"
PUBLISHES = 3

CONFIG = """
SECRET_KEY = {key!r}
SQLALCHEMY_DATABASE_URI = "sqlite:///{folder}/superset.db"
WTF_CSRF_ENABLED = False
TALISMAN_ENABLED = False
RATELIMIT_ENABLED = False
CONTENT_SECURITY_POLICY_WARNING = False
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A project of its own, with the demo's build, published."""
    if not (BIN / "superset").exists():
        pytest.skip(".venv-bi/superset is not there; make test-bi installs it.")
    published_demo()
    if not (BUILD / "gate.json").exists():
        pytest.skip("build/dev/demo is not there; make build makes it.")
    root = tmp_path_factory.mktemp("project")
    shutil.copyfile(PROJECT / "dbt_project.yml", root / "dbt_project.yml")
    shutil.copytree(PROJECT / "bi", root / "bi")
    shutil.copytree(BUILD, root / "build" / "dev" / "demo")
    before = Path.cwd()
    os.chdir(root)
    settings = Settings.from_environment({}, root)
    publish(settings)
    yield settings
    os.chdir(before)


class Superset:
    """A running Superset, asked through its API."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.token = ""

    def ask(self, path: str, body: bytes | None = None, kind: str = "application/json") -> Any:
        """What the API answers; fails where it refuses."""
        headers = {"Referer": self.url}
        if body is not None:
            headers["Content-Type"] = kind
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(self.url + path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read()[:2000]!r}") from error
        return json.loads(text) if text.startswith(b"{") else text

    def log_in(self, password: str) -> None:
        body = {"username": "admin", "password": password, "provider": "db"}
        answer = self.ask("/api/v1/security/login", json.dumps(body).encode())
        self.token = answer["access_token"]

    def import_bundle(self, bundle: Path) -> None:
        boundary = secrets.token_hex(16)
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="bundle"; filename="a.zip"\r\n'
            "Content-Type: application/zip\r\n\r\n"
        )
        body = head.encode() + bundle.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        assert self.ask("/api/v1/assets/import/", body, kind) == {"message": "OK"}

    def charts(self) -> dict[str, int]:
        """Title to id."""
        answer = self.ask("/api/v1/chart/?q=(page_size:100)")
        return {chart["slice_name"]: chart["id"] for chart in answer["result"]}

    def rows(self, chart: int, kind: str = "json") -> Any:
        """What the chart shows, asked of the published file and not of a cache."""
        return self.ask(f"/api/v1/chart/{chart}/data/?force=true&format={kind}")


@pytest.fixture(scope="module")
def superset(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Superset]:
    folder = tmp_path_factory.mktemp("superset")
    config = folder / "superset_config.py"
    config.write_text(CONFIG.format(key=secrets.token_urlsafe(42), folder=folder))
    config.chmod(0o600)
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        "SUPERSET_CONFIG_PATH": str(config),
        "SUPERSET_HOME": str(folder),
        "HOME": str(folder),
        "FLASK_APP": "superset.app:create_app()",
    }
    password = secrets.token_urlsafe(24)
    user = ("--username", "admin", "--firstname", "A", "--lastname", "B", "--email", "a@b.invalid")
    for command in (
        ["db", "upgrade"],
        ["fab", "create-admin", *user, "--password", password],
        ["init"],
    ):
        done = subprocess.run(
            [BIN / "superset", *command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command[0]}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "server.log").open("w")
    server = subprocess.Popen(
        [
            BIN / "gunicorn",
            "--bind",
            f"127.0.0.1:{port}",
            "--workers",
            "1",
            "--threads",
            "4",
            "--timeout",
            "120",
            "superset.app:create_app()",
        ],
        cwd=folder,
        env=environment,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    client = Superset(port)
    try:
        for _ in range(240):
            assert server.poll() is None, (folder / "server.log").read_text()[-4000:]
            try:
                client.ask("/health")
                break
            except (OSError, AssertionError):
                time.sleep(0.5)
        client.log_in(password)
        bundle = folder / "assets.zip"
        superset_assets.write(settings, bundle)
        client.import_bundle(bundle)
        yield client
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)
        log.close()


def expected(settings: Settings, name: str) -> tuple[str, list[tuple[Any, ...]]]:
    """A chart's title and rows, as DuckDB answers over the published file."""
    files = superset_assets.assets(settings)
    chart = files[f"charts/{name}.yaml"]
    datasets = {asset["uuid"]: asset for asset in files.values() if "table_name" in asset}
    sql = superset_assets.sql_of(datasets[chart["dataset_uuid"]], chart["params"])
    warehouse = settings.published_folder / "warehouse.duckdb"
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return chart["slice_name"], connection.execute(sql).fetchall()


def same(found: list[dict[str, Any]], wanted: list[tuple[Any, ...]]) -> bool:
    """Whether two tables hold the same rows, in any order; amounts and rates to a billionth."""

    def plain(value: Any) -> str:
        if isinstance(value, (date, bool, str)) or value is None:
            return str(value)
        return f"{float(value):.9g}"

    def epoch_as_date(name: str, value: Any) -> Any:
        if name.endswith("_on") and isinstance(value, (int, float)):
            return time.strftime("%Y-%m-%d", time.gmtime(value / 1000))
        return value

    here = sorted([plain(epoch_as_date(*item)) for item in row.items()] for row in found)
    there = sorted([plain(value) for value in row] for row in wanted)
    return here == there


CHARTS = sorted(path.stem for path in (PROJECT / "bi" / "superset" / "charts").glob("*.yaml"))


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_shows_the_marts_numbers(name: str, superset: Superset, settings: Settings) -> None:
    title, wanted = expected(settings, name)
    (answer,) = superset.rows(superset.charts()[title])["result"]
    assert wanted and answer["status"] == "success", answer
    assert same(answer["data"], wanted), (answer["data"][:3], wanted[:3])


def test_the_dashboard_has_every_chart(superset: Superset) -> None:
    shown = superset.ask("/api/v1/dashboard/segmart/charts")["result"]
    assert sorted(chart["slice_name"] for chart in shown) == sorted(superset.charts())
    assert len(shown) == len(CHARTS) > 5


def test_importing_again_changes_what_is_there_and_adds_nothing(
    superset: Superset, settings: Settings, tmp_path: Path
) -> None:
    before = superset.charts()
    superset_assets.write(settings, tmp_path / "again.zip")
    superset.import_bundle(tmp_path / "again.zip")
    assert superset.charts() == before


def test_columns_carry_the_descriptions_of_the_published_file(superset: Superset) -> None:
    (found,) = [
        dataset["id"]
        for dataset in superset.ask("/api/v1/dataset/?q=(page_size:100)")["result"]
        if dataset["table_name"] == "segment_month_engagement"
    ]
    columns = superset.ask(f"/api/v1/dataset/{found}")["result"]["columns"]
    assert len(columns) > 20
    assert [column["column_name"] for column in columns if not column["description"]] == []
    assert [column["column_name"] for column in columns if column["is_dttm"]] == ["month_starts_on"]


def test_a_chart_as_csv(superset: Superset, settings: Settings) -> None:
    title, wanted = expected(settings, "clicks_by_segment")
    lines = superset.rows(superset.charts()[title], "csv").decode("utf-8-sig").splitlines()
    assert lines[0].split(",")[:2] == ["segment_name", "ctr"]
    assert len(lines) == len(wanted) + 1
    best = max(wanted, key=lambda row: row[1])
    assert lines[1].split(",")[0] == best[0]
    assert math.isclose(float(lines[1].split(",")[1]), best[1], rel_tol=1e-9)


def test_no_chart_fails_while_others_publish(superset: Superset, settings: Settings) -> None:
    """Charts are asked for without a pause, and each answer is of the one file or of the other."""
    title, before = expected(settings, "clicks_by_channel")
    chart = superset.charts()[title]
    answers: list[Any] = []
    failures: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set() and not failures:
            try:
                answers.append(superset.rows(chart)["result"][0])
            except AssertionError as error:
                failures.append(str(error))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(PUBLISHES - 1):
            publish(settings)
        with duckdb.connect(str(settings.build_file)) as build:
            build.execute(
                "update marts.segment_channel_engagement set click_count = click_count + 7"
            )
        publish(settings)
        published_at = len(answers)
        _, after = expected(settings, "clicks_by_channel")
        while len(answers) < published_at + 4 and not failures:
            time.sleep(0.1)
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert failures == []
    assert len(answers) > 10 and [one for one in answers if one["status"] != "success"] == []
    of_before = [same(one["data"], before) for one in answers]
    of_after = [same(one["data"], after) for one in answers]
    assert all(a or b for a, b in zip(of_before, of_after, strict=True))
    assert of_before[0] and not of_after[0] and of_after[-1] and not of_before[-1]
