//! The curves as a table, and what they advise.

use super::{Figures, Model, Room};
use serde::Serialize;

/// A load is borne where the ledger gives up on no more of the requests than this, in percent.
pub const BORNE_PERCENT: f64 = 0.1;

/// All that was simulated.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The model's parameters.
    pub model: Model,
    /// The budget.
    pub room: Room,
    /// Seconds that count, of each simulation.
    pub seconds: u32,
    /// From which all chance came.
    pub seed: u64,
    /// One per number of shards and workers.
    pub rows: Vec<Figures>,
}

impl Report {
    /// The numbers of shards, in order.
    pub fn shards(&self) -> Vec<u8> {
        let mut shards: Vec<u8> = self.rows.iter().map(|row| row.shards).collect();
        shards.sort_unstable();
        shards.dedup();
        shards
    }

    /// The most requests per second that so many shards bear.
    pub fn borne(&self, shards: u8) -> f64 {
        let good = |row: &&Figures| row.shards == shards && row.contended_percent <= BORNE_PERCENT && row.unsettled == 0;
        self.rows.iter().filter(good).map(|row| row.goodput).fold(0.0, f64::max)
    }

    /// The table, and the advice below it, as Markdown.
    pub fn text(&self) -> String {
        let mut text = String::from(
            "| shards | workers | settled/s | refused | given up | hold p50 | hold p99 | conflicts | throttled | rewrites | write units |\n\
             | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for row in &self.rows {
            text += &format!(
                "| {} | {} | {:.0} | {:.1} % | {:.2} % | {:.0} ms | {:.0} ms | {:.2} | {:.2} | {:.3} | {:.1} |\n",
                row.shards,
                row.workers,
                row.goodput,
                row.refused_percent,
                row.contended_percent,
                row.hold_ms_p50,
                row.hold_ms_p99,
                row.conflicts,
                row.throttled,
                row.rewrites,
                row.write_units
            );
        }
        text += &format!("\n| shards | settled/s with at most {BORNE_PERCENT} % given up |\n| ---: | ---: |\n");
        for shards in self.shards() {
            text += &format!("| {shards} | {:.0} |\n", self.borne(shards));
        }
        let (unsettled, over) = (self.rows.iter().map(|row| row.unsettled).sum::<u64>(), self.rows.iter().map(|row| row.over).max());
        text += &format!("\nSettlements given up: {unsettled}. Most over the limit at a hold: {} tokens.\n", over.unwrap_or(0));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::run::run;
    use super::super::{Settings, plot};
    use super::*;

    fn simulated(shards: u8, workers: u32, room: Room) -> Figures {
        run(Settings { shards, workers, room, seconds: 5, seed: 1, model: Model::default() })
    }

    #[test]
    fn sixty_four_shards_take_five_hundred_requests_a_second_that_one_cannot() {
        let (many, one) = (simulated(64, 1_024, Room::Plenty), simulated(1, 1_024, Room::Plenty));
        assert!(many.goodput > 500.0 && many.contended_percent <= BORNE_PERCENT && many.unsettled == 0, "{many:?}");
        assert!(one.goodput < 100.0 && one.contended_percent > 10.0, "{one:?}");
    }

    #[test]
    fn no_hold_passes_the_limit_whatever_the_room_and_the_shards() {
        for (shards, room) in [1, 4, 64].into_iter().flat_map(|shards| [Room::Half, Room::Spent].map(|room| (shards, room))) {
            let found = simulated(shards, 128, room);
            assert!(found.over == 0 && found.goodput > 10.0 && found.refused_percent + found.contended_percent > 10.0, "{found:?}");
        }
    }

    #[test]
    fn a_seed_replays_and_the_curves_can_be_drawn() {
        let rows: Vec<Figures> =
            [(1, 16), (1, 64), (4, 16), (4, 64)].map(|(shards, workers)| simulated(shards, workers, Room::Plenty)).to_vec();
        let again = simulated(4, 64, Room::Plenty);
        assert_eq!(serde_json::json!(again), serde_json::json!(rows[3]));
        let report = Report { model: Model::default(), room: Room::Plenty, seconds: 5, seed: 1, rows };
        let (svg, text) = (plot::svg(&report).unwrap(), report.text());
        assert!(svg.starts_with("<svg") && svg.contains("4 shards"), "{svg}");
        assert_eq!(text.lines().filter(|line| line.starts_with("| 4 |")).count(), 3, "{text}");
    }
}
