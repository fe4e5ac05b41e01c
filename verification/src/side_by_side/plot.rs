//! The report as a drawing: bars for the medians, lines from the least to the most, the others' wins included.

use super::design::Failed;
use super::report::Report;
use crate::spread::Spread;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const WIDTH: u32 = 960;
/// Pixels: a bar with its gap, a panel's title, the gap below a panel, the margin.
const BAR: i32 = 22;
const TITLE: i32 = 30;
const GAP: i32 = 16;
const MARGIN: i32 = 12;
/// Where bars begin and end, and where their values are written.
const LEFT: i32 = 215;
const RIGHT: i32 = 700;

const OURS: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const OTHERS: RGBColor = RGBColor(0x9a, 0x9a, 0x9a);
const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);

struct Panel {
    title: &'static str,
    /// Each bar's name, spread, and text.
    bars: Vec<(String, Spread, String)>,
    logarithmic: bool,
}

/// The drawing, as SVG.
pub fn svg(report: &Report) -> Result<String, Failed> {
    let panels = panels(report);
    let height: i32 = panels.iter().map(Panel::height).sum::<i32>() + 2 * MARGIN;
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH, u32::try_from(height).unwrap_or(WIDTH))).into_drawing_area();
        let failed = |error: DrawingAreaErrorKind<std::io::Error>| Failed::because("the plot could not be drawn")(&error);
        area.fill(&WHITE).map_err(failed)?;
        let mut top = MARGIN;
        for panel in &panels {
            panel.draw(&area, top).map_err(failed)?;
            top += panel.height();
        }
        area.present().map_err(failed)?;
    }
    Ok(text)
}

fn panels(report: &Report) -> Vec<Panel> {
    let percent = |spread: Spread| format!("{:.1} % ({:.1} to {:.1})", spread.median, spread.least, spread.most);
    let rows = |of: fn(&super::report::Row) -> Spread| {
        report.rows.iter().map(|row| (row.design.clone(), of(row), percent(of(row)))).collect::<Vec<_>>()
    };
    let bounds = report.bounds.iter().map(|row| {
        let share = row.of_fitting_percent;
        (format!("Cost Sentry, {}, {} %", row.input_bound, row.room_percent), share, percent(share))
    });
    let races = report.races.iter().map(|row| {
        let over = if row.races_over > 0 { format!(", over in {} of {}", row.races_over, row.races) } else { String::new() };
        (row.design.clone(), row.per_second, format!("{:.0}{over}", row.per_second.median))
    });
    vec![
        Panel {
            title: "Over the limit, in percent of the room there was (less is better)",
            bars: rows(|row| row.over_percent_of_room),
            logarithmic: false,
        },
        Panel {
            title: "Refused although it would have fitted, in percent of all requests (less is better)",
            bars: rows(|row| row.wrongly_refused_percent),
            logarithmic: false,
        },
        Panel {
            title: "By input bound and room: refused only because holds are larger than usage, in percent of what would fit (less is better)",
            bars: bounds.collect(),
            logarithmic: false,
        },
        Panel { title: "Races: requests per second, logarithmic (more is better)", bars: races.collect(), logarithmic: true },
    ]
}

impl Panel {
    fn height(&self) -> i32 {
        TITLE + GAP + BAR * i32::try_from(self.bars.len()).unwrap_or_default()
    }

    /// The pixel of a value.
    fn x(&self, value: f64) -> i32 {
        let most = self.bars.iter().map(|(_, spread, _)| spread.most).fold(1e-9, f64::max);
        let share = if self.logarithmic { value.max(1.0).ln() / most.max(2.0).ln() } else { value / most };
        LEFT + pixels(share * f64::from(RIGHT - LEFT))
    }

    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, plotters::coord::Shift>,
        top: i32,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let font = |size: i32| ("sans-serif", size).into_font().color(&INK);
        area.draw(&Text::new(self.title, (MARGIN, top + 6), font(15)))?;
        for (n, (name, spread, value)) in self.bars.iter().enumerate() {
            let y = top + TITLE + BAR * i32::try_from(n).unwrap_or_default();
            let middle = y + BAR / 2 - 2;
            let style = if name.starts_with("Cost Sentry") { OURS } else { OTHERS };
            area.draw(&Text::new(name.clone(), (LEFT - 8, middle), font(13).pos(Pos::new(HPos::Right, VPos::Center))))?;
            area.draw(&Rectangle::new([(LEFT, y), (self.x(spread.median).max(LEFT + 1), y + BAR - 5)], style.filled()))?;
            area.draw(&PathElement::new(vec![(self.x(spread.least), middle), (self.x(spread.most), middle)], INK.stroke_width(1)))?;
            let end = self.x(spread.most.max(spread.median)) + 8;
            area.draw(&Text::new(value.clone(), (end, middle), font(13).pos(Pos::new(HPos::Left, VPos::Center))))?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "less than the width of the drawing")]
fn pixels(value: f64) -> i32 {
    value.round() as i32
}
