//! The curves as a drawing: settled requests per second against workers, a line per number of shards, both axes logarithmic.

use super::report::Report;
use plotters::prelude::*;

const SIZE: (u32, u32) = (900, 520);
const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// One per number of shards, told apart by those who see colours otherwise, too.
const LINES: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0xe6, 0x9f, 0x00),
];

/// The drawing, as SVG; the error says what the plotting crate said.
pub fn svg(report: &Report) -> Result<String, String> {
    let mut text = String::new();
    draw(report, &mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

fn draw(report: &Report, text: &mut String) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let workers = report.rows.iter().map(|row| f64::from(row.workers));
    let (least, most) = (workers.clone().fold(f64::MAX, f64::min).max(1.0), workers.fold(2.0, f64::max));
    let top = report.rows.iter().map(|row| row.goodput).fold(10.0, f64::max) * 1.3;
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .caption("One hot budget: requests settled per second (a model of DynamoDB)", ("sans-serif", 18).into_font().color(&INK))
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((least..most * 1.6).log_scale(), (5.0..top).log_scale())?;
    let whole = |value: &f64| format!("{value:.0}");
    chart
        .configure_mesh()
        .x_desc("workers, each with one request at a time")
        .y_desc("settled requests per second")
        .x_label_formatter(&whole)
        .y_label_formatter(&whole)
        .light_line_style(WHITE)
        .draw()?;
    for (shards, colour) in report.shards().into_iter().zip(LINES.iter().cycle()) {
        let mut points: Vec<(f64, f64)> =
            report.rows.iter().filter(|row| row.shards == shards).map(|row| (f64::from(row.workers), row.goodput.max(5.0))).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let end = points.last().copied().unwrap_or((least, 5.0));
        chart.draw_series([PathElement::new(points.clone(), colour.stroke_width(2))])?;
        chart.draw_series(points.into_iter().map(|point| Circle::new(point, 3, colour.filled())))?;
        let word = if shards == 1 { "1 shard".to_owned() } else { format!("{shards} shards") };
        chart.draw_series([Text::new(word, (end.0 * 1.04, end.1 * 1.05), ("sans-serif", 14).into_font().color(colour))])?;
    }
    area.present()
}
