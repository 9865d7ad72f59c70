"""Write the next test as files that a build reads: `make audience`.

From the published files alone: who may be contacted today, drawn by lot into customers who get the
campaign and customers held out. `OUT/campaigns.csv` and `OUT/campaign_engagements.csv` are raw
files; handed in as further parts they bring the test's effect back into the warehouse.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TextIO

import duckdb

from pipeline import log, sentences
from pipeline.publish import CUSTOMERS, WAREHOUSE
from pipeline.sentences import UserError
from pipeline.settings import Settings, absolute_path, iso_date
from segmentation.arms import CAMPAIGN, HOLDOUT, draw_arms

README = "README.txt"
EVERY_PRODUCT = "any"
# Every column of the contract: a part that lacks one which the other parts have stops a build.
CAMPAIGN_COLUMNS = (
    "campaign_id",
    "campaign_name",
    "objective",
    "product",
    "starts_on",
    "ends_on",
    "budget_amount",
    "planned_holdout_share",
    "currency",
    "updated_at",
    "is_deleted",
)
ENGAGEMENT_COLUMNS = (
    "engagement_id",
    "campaign_id",
    "customer_id",
    "channel",
    "occurred_on",
    "is_holdout",
    "impressions",
    "opens",
    "clicks",
    "conversions",
    "revenue_amount",
    "cost_amount",
    "currency",
    "updated_at",
    "is_deleted",
)


@dataclass(frozen=True)
class Request:
    """What the command line asks for; None where the recommendation or a var decides.

    `per_arm` is the number of customers in each of the two arms.
    """

    recommendation: str
    out_folder: Path
    per_arm: int | None
    campaign: str | None
    product: str | None
    channel: str | None
    starts_on: date | None
    ends_on: date | None
    seed: int | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], settings: Settings) -> Request:
        """The request in RECOMMENDATION, SIZE, OUT and so on.

        Raises UserError for a value that cannot be meant and for a folder that cannot be used.
        """
        given = {name: environment.get(name, "").strip() for name in environment}
        return cls(
            recommendation=given.get("RECOMMENDATION", ""),
            out_folder=_out_folder(given.get("OUT", ""), settings),
            per_arm=_whole_number(
                "SIZE", given.get("SIZE", ""), 1, "the number of customers in each of the two arms"
            ),
            campaign=given.get("CAMPAIGN") or None,
            product=given.get("PRODUCT") or None,
            channel=given.get("CHANNEL") or None,
            starts_on=iso_date("STARTS_ON", given.get("STARTS_ON", "")),
            ends_on=iso_date("ENDS_ON", given.get("ENDS_ON", "")),
            seed=_whole_number("SEED", given.get("SEED", ""), 0, "the seed of the lot"),
        )


@dataclass(frozen=True)
class Recommendation:
    """A row of evidence.recommendations_v2, as far as a test of it needs it."""

    strategy_id: str
    segmentation: str
    segment_id: int | None
    segment_name: str | None
    strategy: str
    status: str
    reason: str
    kpi_mart: str
    kpi_metric: str
    kpi_cell: str | None
    customers_per_arm: int | None


@dataclass(frozen=True)
class Eligible:
    """Whom the test may reach: `customers` holds (customer_id, segment_id), in no set order."""

    as_of_on: date
    source_name: str
    customers: Sequence[tuple[str, int]]
    customer_count: int
    consenting_count: int


@dataclass(frozen=True)
class Campaign:
    """The test as a row of campaigns.csv, and the channel it is planned for."""

    campaign_id: str
    name: str
    product: str
    channel: str
    starts_on: date
    ends_on: date


def main() -> None:
    """Write the test this environment asks for and print what it is."""
    settings = Settings.from_environment()
    request = Request.from_environment(os.environ, settings)
    lines = write_audience(request, settings)
    log.write("make audience", "written", recommendation=request.recommendation)
    print("\n".join(lines))


def write_audience(request: Request, settings: Settings) -> list[str]:
    """Write the test to the request's folder; return what to tell, a line an item.

    Raises UserError, with nothing written, where there is no such test.
    """
    with _published(WAREHOUSE, settings) as warehouse:
        recommendation = _recommendation(warehouse, request.recommendation)
        judged_on = _build_of(warehouse)
    with _published(CUSTOMERS, settings) as customers:
        if _build_of(customers) != judged_on:
            raise UserError(
                f"{CUSTOMERS} and {WAREHOUSE} are not of one build, as after a publish that was "
                "stopped; run `make publish` again."
            )
        eligible = _eligible(customers, recommendation)
    per_arm = _customers_per_arm(request, recommendation, eligible)
    campaign = _campaign(request, recommendation, eligible, settings)
    seed = request.seed
    if seed is None:
        seed = settings.whole_number("audience_random_seed", least=0)
    ids = [customer_id for customer_id, _ in eligible.customers]
    arms = draw_arms(
        ids,
        [segment_id for _, segment_id in eligible.customers],
        per_arm,
        # With the campaign's name in it the next test does not hold out the same customers again.
        [seed, *campaign.campaign_id.encode()],
    )
    drawn = sorted(
        (customer_id, bool(arm == HOLDOUT))
        for customer_id, arm in zip(ids, arms, strict=True)
        if arm in (CAMPAIGN, HOLDOUT)
    )
    lines = _lines(request, recommendation, eligible, campaign, per_arm, seed, settings)
    _write(request.out_folder, campaign, drawn, lines, settings)
    return lines


# --- what is asked for ---


def _out_folder(text: str, settings: Settings) -> Path:
    if not text:
        raise UserError("OUT is missing; name the folder to write the test to.")
    # A link to a folder stays a link: what it points to is written.
    folder = absolute_path(text, settings.root).resolve()
    shown = settings.shown(folder)
    if folder.is_relative_to(settings.published_folder.resolve()):
        raise UserError(f"OUT is {shown}, where the published files are; choose another folder.")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"OUT is {shown}, which is not a folder; choose another one.")
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"OUT is {shown}, which is not empty; choose another folder.")
    return folder


def _whole_number(name: str, text: str, least: int, meaning: str) -> int | None:
    if not text:
        return None
    # Longer ones are no number of customers, and no int that every reader of the files takes.
    if not re.fullmatch(r"[0-9]{1,15}", text) or int(text) < least:
        raise UserError(
            f"{name} is {text}; give {meaning} as a whole number of at least {least}, or leave "
            f"{name} out."
        )
    return int(text)


# --- what is published ---


@contextmanager
def _published(file_name: str, settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A published file, read-only; what it lacks or how it is in use becomes a sentence."""
    path = settings.published_folder / file_name
    shown = settings.shown(path)
    if not path.is_file():
        raise UserError(f"There is no {shown}: nothing is published yet; run `make build` first.")
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            yield connection
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise UserError(
            f"{shown} was published by another version of the project "
            f"({sentences.one_line(str(error).splitlines()[0])}); run `make build` again."
        ) from error
    except duckdb.IOException as error:
        if holder := re.search(r"Conflicting lock is held in .*?\(PID (\d+)\)", str(error)):
            raise UserError(
                f"{shown} is opened for writing by another program (PID {holder.group(1)}); "
                "close it there, then run `make audience` again."
            ) from error
        raise UserError(
            f"{shown} cannot be read ({sentences.one_line(str(error))}); run `make build` again."
        ) from error


def _build_of(connection: duckdb.DuckDBPyConnection) -> tuple[object, ...]:
    found = connection.execute(
        "select source_name, as_of_on, input_hash from health.build_info"
    ).fetchone()
    if found is None:
        raise UserError("health.build_info is empty in a published file; run `make build` again.")
    return found


def _recommendation(warehouse: duckdb.DuckDBPyConnection, wanted: str) -> Recommendation:
    """The recommendation asked for; raises UserError for an unknown or refuted one."""
    columns = ", ".join(Recommendation.__dataclass_fields__)
    rows = warehouse.execute(
        f"select {columns} from evidence.recommendations_v2 order by strategy_id"
    ).fetchall()
    known = {row[0]: Recommendation(*row) for row in rows}
    testable = [name for name, one in known.items() if one.status != "do_not"]
    listed = f"what can be tested here: {', '.join(testable) or 'nothing'}"
    if not wanted:
        raise UserError(f"RECOMMENDATION is missing; {listed}.")
    if wanted not in known:
        raise UserError(f"There is no recommendation {wanted}; {listed}.")
    found = known[wanted]
    if found.status == "do_not":
        raise UserError(f"{wanted} is not to be tested: {found.reason.rstrip('.')}; {listed}.")
    return found


def _eligible(customers: duckdb.DuckDBPyConnection, recommendation: Recommendation) -> Eligible:
    """The recommendation's customers who agreed and were not contacted too often lately."""
    source_name, as_of_on, _ = _build_of(customers)
    rows = customers.execute(
        """
        select
            members.customer_id, members.segment_id, contacts.has_consent, contacts.is_contactable
        from main.customer_segments as members
        inner join main.marketing_contacts as contacts
            on members.customer_id = contacts.customer_id
        where members.segmentation = $1 and coalesce(members.segment_id = $2, $2 is null)
        """,
        [recommendation.segmentation, recommendation.segment_id],
    ).fetchall()
    assert isinstance(as_of_on, date)
    if not rows:
        raise UserError(
            f"{recommendation.strategy_id} is for {recommendation.segment_name or 'all'} of "
            f"{recommendation.segmentation}, where no customers are, so nobody can be drawn for a "
            "test; choose a recommendation for a segment of customers."
        )
    return Eligible(
        as_of_on=as_of_on,
        source_name=str(source_name),
        customers=[(customer_id, segment_id) for customer_id, segment_id, _, free in rows if free],
        customer_count=len(rows),
        consenting_count=sum(has_consent for _, _, has_consent, _ in rows),
    )


# --- the test ---


def _customers_per_arm(request: Request, recommendation: Recommendation, eligible: Eligible) -> int:
    """SIZE, or what the recommendation asks for; raises UserError where too few are eligible."""
    found = len(eligible.customers)
    per_arm = request.per_arm or recommendation.customers_per_arm
    if per_arm is None:
        raise UserError(
            f"{recommendation.strategy_id} says nothing of the size of a test (its status is "
            f"{recommendation.status}); give the customers in each of the two arms with SIZE, at "
            f"most {found // 2:,}."
        )
    if 2 * per_arm > found:
        asked = "SIZE asks" if request.per_arm else f"{recommendation.strategy_id} asks"
        less = "" if found < 2 else f"; a smaller test is drawn with SIZE, at most {found // 2:,}"
        raise UserError(
            f"{asked} for {2 * per_arm:,} customers, {per_arm:,} in each of two arms, and "
            f"{found:,} may be contacted today{less}."
        )
    return per_arm


def _campaign(
    request: Request, recommendation: Recommendation, eligible: Eligible, settings: Settings
) -> Campaign:
    starts_on = request.starts_on or eligible.as_of_on + timedelta(days=1)
    if starts_on <= eligible.as_of_on:
        raise UserError(
            f"STARTS_ON is {starts_on}; whom the test may reach is known as of "
            f"{eligible.as_of_on}, so it can start on the day after at the earliest."
        )
    days = settings.whole_number("audience_campaign_days", least=1)
    ends_on = request.ends_on or starts_on + timedelta(days=days - 1)
    if ends_on < starts_on:
        raise UserError(f"ENDS_ON is {ends_on}, before the test starts on {starts_on}.")
    watched = {_dimension(recommendation, settings): recommendation.kpi_cell}
    product = watched.get("product")
    return Campaign(
        campaign_id=request.campaign or f"{recommendation.strategy_id}_{starts_on}",
        name=recommendation.strategy,
        product=request.product or (product if product and product != EVERY_PRODUCT else ""),
        channel=request.channel
        or watched.get("channel")
        or str(settings.variable("audience_channel")),
        starts_on=starts_on,
        ends_on=ends_on,
    )


def _dimension(recommendation: Recommendation, settings: Settings) -> str | None:
    """What the recommendation's kpi_cell is one of, such as channel; None for a plain figure."""
    metrics = settings.variable("metrics")
    assert isinstance(metrics, list)
    wanted = (recommendation.kpi_mart, recommendation.kpi_metric)
    dimensions = [one.get("cell") for one in metrics if (one["mart"], one["metric"]) == wanted]
    return dimensions[0] if dimensions else None


def _lines(
    request: Request,
    recommendation: Recommendation,
    eligible: Eligible,
    campaign: Campaign,
    per_arm: int,
    seed: int,
    settings: Settings,
) -> list[str]:
    """What was written, from what, and what to do with it."""
    asked = recommendation.customers_per_arm
    segment = recommendation.segment_name or "all customers"
    if asked is None or per_arm == asked:
        size = []
    elif per_arm < asked:
        size = [
            f"Fewer than the {asked:,} an arm that {recommendation.strategy_id} asks for: only a "
            "larger change will show."
        ]
    else:
        size = [f"More than the {asked:,} an arm that {recommendation.strategy_id} asks for."]
    product = (
        [f"Product: {campaign.product}; the effect is counted in customers who open one."]
        if campaign.product
        else ["It names no product, so no effect on purchases can be counted: say PRODUCT=..."]
    )
    return [
        f"Test {campaign.campaign_id} of {recommendation.strategy_id}: {recommendation.strategy}",
        f"As of {eligible.as_of_on}, from {eligible.source_name}; {segment} of "
        f"{recommendation.segmentation}: {eligible.customer_count:,} customers but minors, "
        f"{eligible.consenting_count:,} with consent, {len(eligible.customers):,} of them known to "
        "be adults and not contacted too often lately.",
        f"By lot within each segment (seed {seed}): {per_arm:,} get the campaign, {per_arm:,} are "
        "held out.",
        *size,
        *product,
        f"From {campaign.starts_on} to {campaign.ends_on}, by {campaign.channel}.",
        f"Written to {settings.shown(request.out_folder)}: campaigns.csv and "
        "campaign_engagements.csv, customer by customer, for you alone.",
        f"From {campaign.starts_on} on, put them into RAW_DATA as further parts, such as "
        "campaigns/next_test.csv and campaign_engagements/next_test.csv; before that day their "
        "rows are later than the as-of date.",
    ]


# --- write it, all or nothing ---


def _write(
    out_folder: Path,
    campaign: Campaign,
    drawn: Sequence[tuple[str, bool]],
    lines: Sequence[str],
    settings: Settings,
) -> None:
    """Write the three files beside `out_folder` and put them in place in one step.

    `drawn` holds customer_id and is_holdout.
    """
    workspace = None
    try:
        out_folder.parent.mkdir(parents=True, exist_ok=True)
        workspace = Path(
            tempfile.mkdtemp(prefix=f".{out_folder.name}.unfinished.", dir=out_folder.parent)
        )
        _write_csv(workspace / "campaigns.csv", CAMPAIGN_COLUMNS, [_campaign_row(campaign)])
        _write_csv(
            workspace / "campaign_engagements.csv",
            ENGAGEMENT_COLUMNS,
            (_engagement_row(campaign, *customer) for customer in drawn),
        )
        with _new_private_file(workspace / README) as stream:
            stream.writelines(f"{line}\n" for line in lines)
        # An empty folder of that name is replaced.
        os.rename(workspace, out_folder)
    except OSError as error:
        raise UserError(
            f"{settings.shown(out_folder)} cannot be written: {sentences.of_os_error(error)}."
        ) from error
    finally:
        if workspace is not None:
            shutil.rmtree(workspace, ignore_errors=True)


def _campaign_row(campaign: Campaign) -> dict[str, str]:
    return {
        "campaign_id": campaign.campaign_id,
        "campaign_name": campaign.name,
        "objective": "conversion" if campaign.product else "",
        "product": campaign.product,
        "starts_on": str(campaign.starts_on),
        "ends_on": str(campaign.ends_on),
        "planned_holdout_share": "0.5",
    }


def _engagement_row(campaign: Campaign, customer_id: str, is_holdout: bool) -> dict[str, str]:
    """A customer assigned and not reached yet, or held out; both are impressions of 0."""
    return {
        "engagement_id": f"{campaign.campaign_id}:{customer_id}",
        "campaign_id": campaign.campaign_id,
        "customer_id": customer_id,
        "channel": campaign.channel,
        "occurred_on": str(campaign.starts_on),
        "is_holdout": "true" if is_holdout else "false",
        "impressions": "0",
        "clicks": "0",
        "conversions": "0",
    }


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    with _new_private_file(path) as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _new_private_file(path: Path) -> TextIO:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    return os.fdopen(descriptor, "w", encoding="utf-8", newline="")


if __name__ == "__main__":
    sentences.run(main)
