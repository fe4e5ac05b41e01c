//! A budget as a bar: used, held by requests in flight or of unknown fate, this request's share, free.

/// Cells in a bar.
const CELLS: usize = 24;

/// The bar's legend.
pub const LEGEND: &str = "█ used  ▓ held  ▒ uncertain  ░ this request  · free";

/// A bar of a limit's shares, as fractions of it; a share above nothing shows at least one cell while there is room.
pub fn bar(limit: f64, used: f64, held: f64, uncertain: f64, own: f64) -> String {
    let mut cells = String::new();
    let mut left = CELLS;
    for (share, mark) in [(used, '█'), (held, '▓'), (uncertain, '▒'), (own, '░')] {
        let wanted = cells_of(share, limit);
        let drawn = wanted.min(left);
        left -= drawn;
        cells.extend(std::iter::repeat_n(mark, drawn));
    }
    cells.extend(std::iter::repeat_n('·', left));
    cells
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a picture of at most CELLS cells"
)]
fn cells_of(share: f64, limit: f64) -> usize {
    if share <= 0.0 || limit <= 0.0 {
        return 0;
    }
    ((share / limit * CELLS as f64).round() as usize).clamp(1, CELLS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_shows_every_share_and_never_overflows() {
        assert_eq!(bar(100.0, 50.0, 25.0, 0.0, 0.0), "████████████▓▓▓▓▓▓······");
        assert_eq!(bar(1_000_000.0, 1.0, 0.0, 0.0, 1.0), "█░······················");
        assert_eq!(bar(10.0, 9.0, 5.0, 1.0, 7.0), "██████████████████████▓▓");
        assert_eq!(bar(10.0, 0.0, 0.0, 0.0, 50.0).chars().count(), CELLS);
    }
}
