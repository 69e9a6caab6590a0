//! Figures: a curve on a chart, or bars. Each stands above the table that has its numbers.

use super::curve::Curve;

mod bars;
mod chart;
mod palette;
mod svg;

pub(super) use bars::{Bar, Bars};
pub(super) use palette::PALETTE;

/// A picture of a table's numbers.
#[derive(Clone, Debug)]
pub(super) enum Figure<'a> {
    /// One line for each engine over message size.
    Curve(Curve<'a>),
    /// One bar for each engine, part by part.
    Bars(Bars<'a>),
}

impl Figure<'_> {
    /// Its drawing inside the page. `engines` are all engines of the report, whose order chooses the colours;
    /// `name` starts the ids.
    pub fn in_page(&self, engines: &[&str], name: &str) -> String {
        match self {
            Self::Curve(curve) => svg::draw(curve, engines, name, svg::Paint::Page),
            Self::Bars(bars) => bars.draw().into_string(),
        }
    }

    /// Its drawing as a file of its own, with a name such as `seal-aes-256-gcm`; none where it needs the
    /// page.
    pub fn picture(&self, engines: &[&str]) -> Option<(String, String)> {
        match self {
            Self::Curve(curve) => {
                Some((curve.id(), svg::draw(curve, engines, "figure", svg::Paint::Picture)))
            }
            Self::Bars(_) => None,
        }
    }

    /// How to read it, where that does not show.
    pub fn caption(&self) -> Option<&'static str> {
        matches!(self, Self::Curve(_)).then_some(
            "Both axes are logarithmic. The band around a line is the interval; where it cannot be seen it \
             is narrower than the line.",
        )
    }
}
