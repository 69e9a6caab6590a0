//! Colours of the figures, and the stand-ins that plotters writes until a whole drawing is painted.

use plotters::prelude::RGBColor;

/// Colours of the lines on a light and on a dark ground; the page's style sheet is made from them.
pub const PALETTE: [(&str, &str); 8] = [
    ("#0072B2", "#4FA3E0"),
    ("#C85200", "#FF8C42"),
    ("#00825F", "#2DC596"),
    ("#A6508C", "#DE8FC4"),
    ("#8F6500", "#E6B422"),
    ("#404040", "#D0D0D0"),
    ("#2E8BC0", "#8CD0F5"),
    ("#707000", "#C6C65A"),
];

// Stand-ins that plotters writes into the drawing, replaced at the end: see `paint`.
pub const INK: RGBColor = RGBColor(0xF1, 0, 0);
pub const QUIET: RGBColor = RGBColor(0xF2, 0, 0);
pub const GRID: RGBColor = RGBColor(0xF3, 0, 0);
pub const GROUND: RGBColor = RGBColor(0xF4, 0, 0);
/// With the line's place in the palette as its blue.
pub const LINE: u8 = 0xF0;
