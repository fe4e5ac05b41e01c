use super::*;
use crate::side_by_side::report::Row;
use crate::spread::Spread;

const SMALL: Options = Options {
    seed: 1,
    seeds: 2,
    requests: 120,
    per_second: 400.0,
    workers: 32,
    room_percent: 25,
    tight_room_percent: 3,
    spent_percent: 95,
    deaths_per_thousand: 100,
    races: 3,
    threads: 4,
    race_requests: 40,
};

fn is_zero(spread: Spread) -> bool {
    spread == Spread::default()
}

fn rows<'a>(rows: &'a [Row], start: &str) -> Vec<&'a Row> {
    let found: Vec<_> = rows.iter().filter(|row| row.design.starts_with(start)).collect();
    assert!(!found.is_empty(), "{start}");
    found
}

#[test]
fn this_ledger_never_passes_the_limit_and_its_books_are_exact_and_the_others_show_what_they_are_known_for() {
    let report = compare(SMALL, |_| {}).unwrap();
    for row in rows(&report.rows, "Cost Sentry") {
        assert!(is_zero(row.over) && is_zero(row.missing) && is_zero(row.excess) && row.failed == 0, "{row:?}");
        assert!(row.approved.least > 0.0, "{row:?}");
    }
    for row in rows(&report.deaths, "Cost Sentry") {
        assert!(is_zero(row.over) && is_zero(row.missing) && row.failed == 0, "{row:?}");
        assert!(row.uncertain.most > 0.0 && row.excess.most <= row.uncertain.most, "{row:?}");
    }
    for row in report.races.iter().filter(|row| row.design.starts_with("Cost Sentry")) {
        assert!(row.races > 0 && row.races_over == 0 && is_zero(row.books_out_by) && row.failed == 0, "{row:?}");
    }
    for row in report.bounds {
        // The heuristic is no bound: what texts come to above it is spent all the same.
        let heuristic = row.input_bound == "heuristic";
        assert!((heuristic || is_zero(row.over)) && is_zero(row.books_out_by), "{row:?}");
    }
    let over = |start| rows(&report.rows, start)[0].over.least;
    assert!(over("metrics, 0 s") > 0.0 && over("metrics, 60 s") > over("metrics, 0 s") && over("read, call, write") > 0.0);
    assert!(rows(&report.deaths, "read, call, write")[0].missing.most > 0.0);
    let wins = |row: &Row| is_zero(row.wrongly_refused_percent);
    assert!(rows(&report.rows, "metrics").into_iter().all(wins));
}

#[test]
fn a_seed_gives_the_same_result_in_virtual_time_each_time() {
    let figures = |seed| {
        let report = compare(Options { seed, seeds: 1, requests: 60, races: 0, ..SMALL }, |_| {}).unwrap();
        serde_json::json!([report.rows, report.deaths, report.bounds])
    };
    let once = figures(1);
    assert_eq!(figures(1), once);
    assert_ne!(figures(2), once);
}

/// Where usage is as large as the hold, any hold too many is money too much.
#[test]
fn requests_that_use_all_that_they_hold_do_not_pass_the_limit_however_closely_they_come() {
    let shape = Shape { requests: 200, per_second: 1_000.0, deaths_per_thousand: 0 };
    for (seed, contender) in [(1, Contender::CostSentry("bytes")), (2, Contender::CostSentry("refine")), (1, Contender::ReadThenWrite)] {
        let mut arrivals = arrivals(seed, shape);
        for arrival in &mut arrivals {
            // The bound from bytes, to the token.
            arrival.input = u64::try_from(arrival.prompt.len()).unwrap() + 80;
            arrival.output = arrival.max_tokens;
        }
        let (limit, spent) = nearly_spent(&arrivals, 15, 95);
        let arrivals: Arc<[Arrival]> = arrivals.into();
        let ran = virtual_time().unwrap().block_on(async {
            let world = Arc::new(World::new(Time::Virtual, seed, limit, spent));
            contender.run(&world, &arrivals, 200).await.unwrap()
        });
        assert_eq!(ran.books.counted, ran.tally.spent, "{contender:?} {ran:?}");
        if contender == Contender::ReadThenWrite {
            assert!(ran.tally.spent > limit, "the test meets no race: {limit} {ran:?}");
        } else {
            let both = ran.tally.approved > 5 && ran.tally.refused > 5;
            assert!(both && ran.tally.spent <= limit, "{contender:?} {limit} {ran:?}");
        }
    }
}
