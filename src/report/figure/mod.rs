//! Figures: a curve on a chart, bars, and of the gate its pairs, its history and its power curve. Each stands
//! above the table that has its numbers.

use super::curve::Curve;

mod bars;
mod chart;
mod curve;
mod map;
mod pairs;
mod palette;
pub(super) mod power;
pub(super) mod trend;

pub(super) use bars::{Bar, Bars};
pub(super) use map::{Strips, words};
pub(super) use pairs::{Pairs, Strip};
pub(super) use palette::PALETTE;
pub(super) use power::Power;
pub(super) use trend::Trend;

/// A picture of a table's numbers.
#[derive(Clone, Debug)]
pub(super) enum Figure<'a> {
    /// One line for each engine over message size, and the finding in one sentence, which may be empty.
    Curve(Curve<'a>, String),
    /// One bar for each engine, part by part.
    Bars(Bars<'a>),
    /// One strip for each workload that the gate timed.
    Pairs(Pairs),
    /// Two small pictures for each workload of a gate's history.
    Trend(Trend),
    /// One strip for each file of a corruption map.
    Map(Strips),
}

impl Figure<'_> {
    /// The drawing for the page. `engines` are all engines of the report, whose order determines the colours;
    /// `name` starts the ids.
    pub fn in_page(&self, engines: &[&str], name: &str) -> String {
        match self {
            Self::Curve(curve, words) => {
                curve::draw(curve, words, engines, name, palette::Paint::Page).into_string()
            }
            Self::Bars(bars) => bars.draw(name).into_string(),
            Self::Pairs(pairs) => pairs.draw(name).into_string(),
            Self::Trend(trend) => trend.draw(name).into_string(),
            Self::Map(strips) => strips.draw(name).into_string(),
        }
    }

    /// The drawing as a file of its own, with a name such as `seal-aes-256-gcm`; `None` for a figure that
    /// works only inside the page.
    pub fn picture(&self, engines: &[&str]) -> Option<(String, String)> {
        match self {
            Self::Curve(curve, words) => {
                let drawing = curve::draw(curve, words, engines, "figure", palette::Paint::Picture);
                Some((curve.id(), drawing.into_string() + "\n"))
            }
            Self::Bars(_) | Self::Pairs(_) | Self::Trend(_) | Self::Map(_) => None,
        }
    }

    /// The finding, and how to read it where that is not obvious.
    pub fn caption(&self) -> String {
        match self {
            Self::Curve(_, finding) => {
                let space = if finding.is_empty() { "" } else { " " };
                format!("{finding}{space}Both axes are logarithmic; the band around a line is its interval.")
            }
            Self::Bars(bars) => bars.finding(),
            Self::Pairs(pairs) => pairs.finding(),
            Self::Trend(trend) => trend.finding(),
            Self::Map(strips) => strips.finding(),
        }
    }
}
