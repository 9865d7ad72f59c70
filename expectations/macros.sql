-- What the suites' queries have in common; made anew, for the gate's own connections, by each run.
-- The figures of a mart are found by their names, so that a new one is judged without being listed.

-- What a file types needs no look at its text, which takes fifteen times as long: of 48 million amounts 15 s of CPU, without 1.
create or replace temp macro is_text(given_value) as
    typeof(given_value) = 'VARCHAR';

create or replace temp macro is_exact_number(given_value) as
    regexp_full_match(typeof(given_value), 'DECIMAL.*|U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER');

create or replace temp macro is_day_or_moment(given_value) as
    regexp_full_match(typeof(given_value), 'DATE|TIMESTAMP.*');

-- A value as received, text or typed, that is more than white space; most begin with what is none.
create or replace temp macro is_given(given_value) as
    case
        when not is_text(given_value) then given_value is not null
        when ascii(cast(given_value as varchar)) > 32 then true
        else trim(cast(given_value as varchar), concat(' ', chr(9), chr(10), chr(13))) <> ''
    end;

-- A number as received, with either decimal mark; null for anything else.
create or replace temp macro as_number(given_value) as
    case
        when is_exact_number(given_value) then try_cast(given_value as double)
        when regexp_full_match(trim(cast(given_value as varchar)), '[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?')
            then try_cast(replace(trim(cast(given_value as varchar)), ',', '.') as double)
    end;

-- One of the spellings of true and false that the raw contract knows.
create or replace temp macro is_yes_or_no(given_value) as
    regexp_full_match(
        lower(trim(cast(given_value as varchar))),
        '(true|t|yes|y|on|1|1[.]0|false|f|no|n|off|0|0[.]0)'
    );

-- A date in whatever format was agreed has digits; a name or a code in its place often has none.
create or replace temp macro has_a_digit(given_value) as
    case
        when is_day_or_moment(given_value) then given_value is not null
        else regexp_matches(cast(given_value as varchar), '[0-9]')
    end;

-- Over all rows: the condition holds in less than the share of them. One row alone is no share. Queries read `judged` twice,
-- and say that it is not materialized: kept with what each row shows, 48 million amounts take 10 s of CPU, read twice 0.5.
create or replace temp macro too_few_hold(holds, least_share) as
    count(case when holds is not true then 1 end) > greatest(1, (1 - least_share) * count(*));

-- Over all keys with their row counts: the keys are less than the share of the rows. One repetition is none.
create or replace temp macro too_many_repeat(row_count, least_share) as
    sum(row_count) - count(*) > greatest(1, (1 - least_share) * sum(row_count));

-- One row per cell of a mart and figure: every column beside the keys that holds numbers, nulls left out.
create or replace temp macro figures(relation, keys) as table
    with cells as (
        select
            concat_ws(', ', *columns(name -> list_contains(keys, name))) as cell,
            try_cast(columns(name -> not list_contains(keys, name)) as double)
        from query_table(relation)
    )

    unpivot cells on columns(* exclude (cell)) into name figure value figure_value;

-- Figures outside their interval (X_low <= X <= X_high), and quartiles out of order.
create or replace temp macro figures_outside_their_bounds(relation, keys) as table
    with bounds as (
        select
            cell,
            regexp_replace(figure, '(_low|_high|_p25|_p75)$', '') as figure,
            max(case when figure like '%\_low' escape '\' or figure like '%\_p25' escape '\' then figure_value end) as low,
            max(case when figure like '%\_high' escape '\' or figure like '%\_p75' escape '\' then figure_value end) as high,
            regexp_extract(figure, '(_low|_high|_p25|_p75)$') in ('_p25', '_p75') as are_quartiles
        from figures(relation, keys)
        where regexp_matches(figure, '(_low|_high|_p25|_p75)$')
        group by all
    )

    select bounds.cell, estimates.figure, bounds.low, estimates.figure_value as estimate, bounds.high
    from bounds
    left join figures(relation, keys) as estimates
        on
            bounds.cell = estimates.cell
            and estimates.figure = bounds.figure || case when bounds.are_quartiles then '_median' else '' end
    where
        -- Floating point: a bound may miss the figure it equals by rounding.
        bounds.low > estimates.figure_value + 1e-9 * greatest(1, abs(estimates.figure_value))
        or bounds.high < estimates.figure_value - 1e-9 * greatest(1, abs(estimates.figure_value))
        or bounds.low > bounds.high
        or estimates.figure_value is null;

-- Rates, shares and CTRs, with their bounds, that are not between 0 and 1.
create or replace temp macro rates_outside_0_to_1(relation, keys) as table
    select cell, figure, figure_value
    from figures(relation, keys)
    where
        regexp_matches(figure, '(^|_)(rate|share|ctr|margin)(_low|_high)?$')
        and not figure_value between -1e-9 and 1 + 1e-9;

-- Counts, sums and sums of powers below zero, and figures that are no finite number. values_cubed is of any feature,
-- and of balances more may be below zero than above.
create or replace temp macro impossible_figures(relation, keys) as table
    select cell, figure, figure_value
    from figures(relation, keys)
    where
        not isfinite(figure_value)
        or (regexp_matches(figure, '(_count|_squared|_cubed|_roots)$|^(minutes|total_amount)$') and figure_value < 0 and figure <> 'values_cubed');
