//! The scripts: the same for ours and for another's design. Each says what it counted, and what was promised.

use super::system::{Ask, Fate, Limit, START, System, Unit, cost, output};
use cost_sentry_core::price::Usage;
use cost_sentry_core::quantity::Tokens;
use jiff::{SignedDuration, Timestamp};

/// What a script counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub what: &'static str,
    pub promised: i64,
    pub is: i64,
}

impl Seen {
    fn new(what: &'static str, promised: i64, is: i64) -> Self {
        Self { what, promised, is }
    }

    pub fn holds(&self) -> bool {
        self.promised == self.is
    }
}

fn later(seconds: i64) -> Timestamp {
    START.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

fn requests(most: i64) -> Vec<Limit> {
    vec![Limit::new("few", Unit::Requests, most)]
}

/// Asks one after the other; each call that is admitted is answered before the next one asks. How many were.
async fn in_turn<S: System>(system: &mut S, ids: std::ops::Range<usize>, change: impl Fn(usize, &mut Ask)) -> i64 {
    let mut admitted = 0;
    for n in ids {
        let mut ask = Ask::new(format!("r{n}"));
        change(n, &mut ask);
        if system.ask(&ask).await {
            admitted += 1;
            let used = ask.max_tokens.unwrap_or(100);
            system.end(&ask, Fate::Answered(output(used.unsigned_abs()))).await;
        }
    }
    admitted
}

pub async fn far_above<S: System>() -> Seen {
    let mut system = S::start(requests(30)).await;
    Seen::new("admitted", 30, in_turn(&mut system, 0..99, |_, _| {}).await)
}

pub async fn all_at_once<S: System>() -> Seen {
    let mut system = S::start(requests(10)).await;
    let asks: Vec<Ask> = (0..24).map(|n| Ask::new(format!("r{n}"))).collect();
    let admitted = system.ask_at_once(&asks).await.into_iter().filter(|admitted| *admitted).count();
    Seen::new("admitted", 10, i64::try_from(admitted).unwrap())
}

pub async fn newcomer<S: System>() -> Seen {
    let mut system = S::start(vec![Limit { each: true, ..Limit::new("each", Unit::Requests, 1) }]).await;
    let asks: Vec<Ask> = (0..8).map(|n| Ask { application: "newcomer", ..Ask::new(format!("r{n}")) }).collect();
    let admitted = system.ask_at_once(&asks).await.into_iter().filter(|admitted| *admitted).count();
    Seen::new("admitted", 1, i64::try_from(admitted).unwrap())
}

pub async fn given_back<S: System>() -> Seen {
    let mut system = S::start(requests(10)).await;
    for n in 0..10 {
        let ask = Ask::new(format!("lost{n}"));
        assert!(system.ask(&ask).await, "room for {n}");
        system.end(&ask, if n % 2 == 0 { Fate::NotProcessed } else { Fate::NeverSent }).await;
    }
    system.at(later(3_600)).await;
    Seen::new("admitted afterwards", 10, in_turn(&mut system, 0..10, |_, _| {}).await)
}

pub async fn reads_what_was_spent<S: System>() -> Seen {
    let mut system = S::start(requests(100)).await;
    in_turn(&mut system, 0..74, |_, _| {}).await;
    system.at(later(120)).await;
    Seen::new("counted", 74, system.spent("few").await)
}

pub async fn failing_commit<S: System>() -> Seen {
    let mut system = S::start(vec![Limit::new("out", Unit::Output, 10_000)]).await;
    for n in 0..10 {
        let ask = Ask::new(format!("r{n}"));
        assert!(system.ask(&ask).await);
        system.commit_fails().await;
        system.end(&ask, Fate::Answered(output(40))).await;
    }
    system.at(later(3_600)).await;
    Seen::new("counted", 400, system.spent("out").await)
}

pub async fn no_store<S: System>() -> Seen {
    let mut system = S::start(requests(10)).await;
    system.store_is_gone().await;
    Seen::new("admitted", 0, in_turn(&mut system, 0..20, |_, _| {}).await)
}

pub async fn fresh_spend<S: System>() -> Seen {
    let mut system = S::start(requests(10)).await;
    let first = in_turn(&mut system, 0..10, |_, _| {}).await;
    system.at(later(600)).await;
    Seen::new("admitted", 10, first + in_turn(&mut system, 10..20, |_, _| {}).await)
}

pub async fn new_budget<S: System>() -> Seen {
    let mut system = S::start(vec![Limit::new("lifetime", Unit::Requests, 1_000)]).await;
    in_turn(&mut system, 0..10, |_, _| {}).await;
    system.add(Limit { window: "day", ..Limit::new("daily", Unit::Requests, 10) }).await;
    system.at(later(60)).await;
    Seen::new("admitted in the new window", 10, in_turn(&mut system, 10..30, |_, _| {}).await)
}

pub async fn next_window<S: System>() -> Seen {
    let mut system = S::start(vec![Limit { window: "day", ..Limit::new("daily", Unit::Requests, 10) }]).await;
    in_turn(&mut system, 0..10, |_, _| {}).await;
    system.at(later(86_400)).await;
    Seen::new("admitted on the next day", 10, in_turn(&mut system, 10..30, |_, _| {}).await)
}

async fn cached<S: System>(usage: Usage) -> Seen {
    let mut system = S::start(vec![Limit::new("usd", Unit::NanoUsd, 1_000_000_000)]).await;
    let ask = Ask::new("cached");
    assert!(system.ask(&ask).await);
    system.end(&ask, Fate::Answered(usage)).await;
    Seen::new("nano-dollars", cost(&usage), system.spent("usd").await)
}

pub async fn cache_read<S: System>() -> Seen {
    cached::<S>(Usage { cache_read: Tokens(5_000), ..output(10) }).await
}

pub async fn cache_write<S: System>() -> Seen {
    cached::<S>(Usage { cache_write: Tokens(5_000), ..output(10) }).await
}

pub async fn every_route<S: System>() -> Seen {
    let mut system = S::start(requests(10)).await;
    Seen::new("admitted", 10, in_turn(&mut system, 0..40, |n, ask| ask.route = n % 2).await)
}

pub async fn replicas<S: System>() -> Seen {
    let mut system = S::start(requests(10)).await;
    Seen::new("admitted", 10, in_turn(&mut system, 0..60, |n, ask| ask.replica = n % 3).await)
}

pub async fn two_workers<S: System>() -> Seen {
    let mut system = S::start(requests(200)).await;
    Seen::new("admitted", 200, in_turn(&mut system, 0..400, |n, ask| ask.replica = n % 2).await)
}

pub async fn two_accounts<S: System>() -> Seen {
    let mut system = S::start(vec![Limit::new("zeta", Unit::Output, 1_000), Limit::new("alpha", Unit::Requests, 1_000)]).await;
    let ask = Ask::new("r");
    assert!(system.ask(&ask).await);
    system.end(&ask, Fate::Answered(output(40))).await;
    let wrong = (system.spent("zeta").await - 40).abs() + (system.spent("alpha").await - 1).abs();
    Seen::new("booked on wrong accounts", 0, wrong)
}

pub async fn ended_twice<S: System>() -> Seen {
    let mut system = S::start(vec![Limit::new("out", Unit::Output, 1_000)]).await;
    let ask = Ask::new("r");
    assert!(system.ask(&ask).await);
    for _ in 0..2 {
        system.end(&ask, Fate::Answered(output(40))).await;
    }
    Seen::new("counted", 40, system.spent("out").await)
}

pub async fn client_gone<S: System>() -> Seen {
    let mut system = S::start(vec![Limit::new("out", Unit::Output, 10_000)]).await;
    for n in 0..10 {
        let ask = Ask::new(format!("r{n}"));
        assert!(system.ask(&ask).await);
        system.end(&ask, Fate::ClientGone(output(40))).await;
    }
    Seen::new("counted", 400, system.spent("out").await)
}

pub async fn unconfigured<S: System>() -> Seen {
    let mut system = S::start_unconfigured().await;
    Seen::new("admitted", 0, in_turn(&mut system, 0..20, |_, _| {}).await)
}

pub async fn fractions<S: System>() -> Seen {
    let mut system = S::start(vec![Limit::new("usd", Unit::NanoUsd, 1_000_000_000)]).await;
    in_turn(&mut system, 0..100, |_, _| {}).await;
    Seen::new("nano-dollars", 100 * cost(&output(100)), system.spent("usd").await)
}

pub async fn one_refuses<S: System>() -> Seen {
    let mut system = S::start(vec![Limit::new("tight", Unit::Requests, 5), Limit::new("wide", Unit::Requests, 100)]).await;
    in_turn(&mut system, 0..50, |_, _| {}).await;
    Seen::new("counted on the other", 5, system.spent("wide").await)
}

pub async fn unset_max_tokens<S: System>() -> Seen {
    let mut system = S::start(vec![Limit::new("out", Unit::Output, 4 * 2_048)]).await;
    let mut admitted = 0;
    for n in 0..8 {
        admitted += i64::from(system.ask(&Ask { max_tokens: None, ..Ask::new(format!("r{n}")) }).await);
    }
    Seen::new("in flight at once", 4, admitted)
}

pub async fn last_hold<S: System>() -> Seen {
    let mut system = S::start(vec![Limit::new("out", Unit::Output, 20_050)]).await;
    Seen::new("admitted", 200, in_turn(&mut system, 0..400, |_, _| {}).await)
}

pub async fn killed<S: System>() -> Seen {
    let mut system = S::start(requests(200)).await;
    let before = in_turn(&mut system, 0..120, |_, _| {}).await;
    system.kill().await;
    Seen::new("admitted", 200, before + in_turn(&mut system, 120..400, |_, _| {}).await)
}

pub async fn long_call<S: System>() -> Seen {
    let mut system = S::start(requests(10)).await;
    let mut admitted = 0;
    for n in 0..20 {
        if n == 10 {
            system.at(later(170)).await;
        }
        admitted += i64::from(system.ask(&Ask::new(format!("r{n}"))).await);
    }
    Seen::new("in flight at once", 10, admitted)
}

pub async fn overage<S: System>() -> Seen {
    let mut system = S::start(vec![Limit::new("out", Unit::Output, 200)]).await;
    let asks = ["a", "b"].map(Ask::new);
    for ask in &asks {
        assert!(system.ask(ask).await);
    }
    for ask in &asks {
        system.end(ask, Fate::Answered(output(150))).await;
    }
    Seen::new("counted", 300, system.spent("out").await)
}
