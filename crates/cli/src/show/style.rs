//! Colours, for those who see them.

use anstyle::{AnsiColor, Style};

fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Something good.
pub fn good(text: &str) -> String {
    paint(AnsiColor::Green.on_default().bold(), text)
}

/// Something bad.
pub fn bad(text: &str) -> String {
    paint(AnsiColor::Red.on_default().bold(), text)
}

/// Something to look at twice.
pub fn odd(text: &str) -> String {
    paint(AnsiColor::Yellow.on_default(), text)
}

/// A heading.
pub fn heading(text: &str) -> String {
    paint(Style::new().bold(), text)
}

/// An error line.
pub fn error(message: &str) -> String {
    format!("{} {message}", bad("error:"))
}
