"""Load, judge and publish, unless there is nothing new: `make build`."""

from __future__ import annotations

import os

import duckdb

from pipeline import finished, gate, load, log, publish, sentences
from pipeline.settings import Settings
from pipeline.summary import print_summary


def main() -> int:
    """Publish this environment's source; the exit code of the first step that fails."""
    settings = Settings.from_environment()
    # dbt and the steps set variables of their own.
    environment = dict(os.environ)
    settings.build_folder.mkdir(parents=True, exist_ok=True)
    try:
        read = finished.parts_read(settings, environment)
    except OSError:
        # For the steps to find, and to put into words; such a build is not noted.
        read = {}
    asked = [name for name in finished.REQUESTS if environment.get(name, "").strip()]
    if not asked and _is_published(settings, read):
        return 0
    if failed := load.main() or gate.main():
        return failed
    info, is_drawn = publish.publish_and_tell(settings)
    if is_drawn:
        finished.note(settings, environment, read, info)
    return 0


def _is_published(settings: Settings, read: finished.Parts) -> bool:
    """Whether the last build is what another would be; then that is said, with its summary."""
    last = finished.noted(settings)
    if last is None:
        return False
    try:
        other = last.other_now(settings, read)
        if not other:
            warehouse = settings.published_folder / publish.WAREHOUSE
            with duckdb.connect(str(warehouse), read_only=True) as published:
                print(
                    f"Nothing has changed since build {last.build_id[:8]}, as of "
                    f"{last.as_of_on}, which is published; make load gate publish makes it anyway."
                )
                print_summary(published, settings)
    except (OSError, duckdb.Error) as error:
        other = [f"{type(error).__name__}: {sentences.one_line(str(error))}"]
    log.write(
        "make build",
        "anything new" if other else "nothing new",
        target=settings.target,
        source=settings.source_key,
        last_build_id=last.build_id,
        other=other,
    )
    return not other


if __name__ == "__main__":
    sentences.run(main)
