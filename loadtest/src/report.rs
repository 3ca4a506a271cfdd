//! One measured run as a table for the terminal, as JSON, and as a page of its own.
//!
//! All three say the same. The page is one file: no script, no font and no
//! picture from elsewhere, so it can be kept beside the figures it shows.

mod chart;
mod content;
mod escape;
mod figure;
mod page;
mod table;
mod view;

use crate::measured::Measured;

/// Returns the run as lines of text, 100 columns wide or little more, without colours.
pub fn text(run: &Measured) -> String {
    table::render(&content::of(run))
}

/// Returns the run as JSON with the names of [`Measured`], ready to be read back.
///
/// # Errors
///
/// Only where a figure is no number JSON knows.
pub fn json(run: &Measured) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(run)?;
    text.push('\n');
    Ok(text)
}

/// Returns the run as one HTML file.
pub fn html(run: &Measured) -> String {
    page::render(&content::of(run))
}

#[cfg(test)]
mod tests;
