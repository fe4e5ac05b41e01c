//! The middle of several measurements, and how far they lie apart.

use serde::Serialize;

/// The least, the middle and the largest of several measurements.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Spread {
    /// The least.
    pub least: f64,
    /// The median; the lower of the two middle ones of an even number.
    pub median: f64,
    /// The largest.
    pub most: f64,
}

impl Spread {
    /// Of these; all zero where there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |position: usize| values.get(position).copied().unwrap_or_default();
        let last = values.len().saturating_sub(1);
        Self { least: at(0), median: at(last / 2), most: at(last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_both_ends_are_found_in_any_order() {
        let check = |values: &[f64], expected: [f64; 3]| {
            let Spread { least, median, most } = Spread::of(values.iter().copied());
            let same = [least, median, most].iter().zip(expected).all(|(found, expected)| (found - expected).abs() < f64::EPSILON);
            assert!(same, "{values:?}: {least} {median} {most}");
        };
        check(&[3.0, 1.0, 2.0], [1.0, 2.0, 3.0]);
        check(&[4.0, 1.0, 2.0, 3.0], [1.0, 2.0, 4.0]);
        check(&[7.0], [7.0; 3]);
        check(&[], [0.0; 3]);
    }
}
