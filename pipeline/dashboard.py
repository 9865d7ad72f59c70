"""Serve the boards over the published file: `make dashboard`, until Ctrl-C.

PORT names another port. The pages are for this machine alone, follow a publish by themselves, and
follow the files in `dashboard/` while these are edited.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from pipeline import boards, sentences
from pipeline.sentences import UserError
from pipeline.settings import BUILD_FILE_NAME, Settings

DEFAULT_PORT = 8765
HOST = "localhost"
START_SECONDS = 60


def main() -> None:
    """Check, serve, draw every board once so that the first reader does not wait, and stay."""
    settings = Settings.from_environment()
    warehouse = settings.published_folder / BUILD_FILE_NAME
    port = _port(os.environ.get("PORT", ""))
    boards.check(settings, warehouse)
    _refuse_taken(port)
    folder = settings.root / "build" / "dashboard" / settings.target
    boards.lay_out(settings, warehouse, folder)
    output = settings.logs_folder / "dashboard.log"
    output.parent.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _interrupt)
    with output.open("w", encoding="utf-8") as stream:
        server = subprocess.Popen(
            boards.command("serve", "--port", str(port), "--host", HOST, "--no-cache"),
            cwd=folder,
            env=boards.environment(),
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_for(server, port, settings.shown(output))
            _draw_once(port)
            print(f"http://{HOST}:{port}/{boards.BOARDS[1]}/ (Ctrl-C ends it)")
            for board in boards.BOARDS:
                print(f"  http://{HOST}:{port}/{board}/")
            print(f"On a telephone: http://{HOST}:{port}/{boards.PHONE}/...", flush=True)
            _follow(server, settings, warehouse, folder)
        except KeyboardInterrupt:
            print()
        finally:
            server.terminate()
            server.wait()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _port(text: str) -> int:
    if not text.strip():
        return DEFAULT_PORT
    if not text.strip().isdigit() or not 1024 <= int(text) <= 65535:
        raise UserError(f"PORT is {text.strip()}, which is no port; name one from 1024 to 65535.")
    return int(text)


def _refuse_taken(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError as error:
            raise UserError(
                f"Port {port} is taken by another program; end it, or name another port: "
                f"make dashboard PORT={port + 1 if port < 65535 else DEFAULT_PORT}"
            ) from error


def _wait_for(server: subprocess.Popen[bytes], port: int, log: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise UserError(f"The boards are not served: dbt Charts ended; {log} says why.")
        try:
            _get(port, "")
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    raise UserError(f"The boards are not served after {START_SECONDS} seconds; see {log}.")


def _draw_once(port: int) -> None:
    """A first drawing takes seconds, later ones less than one."""
    for board in (*boards.BOARDS, *boards.DETAIL_BOARDS):
        try:
            _get(port, f"{board}/")
        except urllib.error.HTTPError as error:
            raise UserError(
                f"dashboard/{board}.yml cannot be drawn (HTTP {error.code})."
            ) from error


def _get(port: int, path: str) -> None:
    with urllib.request.urlopen(f"http://{HOST}:{port}/{path}", timeout=START_SECONDS) as answer:
        answer.read()


def _follow(
    server: subprocess.Popen[bytes], settings: Settings, warehouse: Path, folder: Path
) -> None:
    """Until the server ends: a publish may bring segments that have no colour yet."""
    seen = warehouse.stat().st_ino
    while server.poll() is None:
        time.sleep(1)
        try:
            found = warehouse.stat().st_ino
        except FileNotFoundError:
            continue
        if found != seen:
            seen = found
            boards.write_meta(settings, warehouse, folder)
    raise UserError("The boards are served no longer: dbt Charts ended; see logs/dashboard.log.")


if __name__ == "__main__":
    sentences.run(main)
