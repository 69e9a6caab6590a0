//! Colours of the figures, and where each comes from: the page's style sheet, or light colours on white.
//!
//! The lines' colours follow those of Okabe and Ito, darkened for a light ground and lightened for a dark one
//! so that each keeps a contrast of 4.5 to 1; where that made two alike, one is replaced. No two engines
//! differ by colour alone: see `chart`.

/// Colours of the lines on a light and on a dark ground; the page's style sheet is made from them.
pub const PALETTE: [(&str, &str); 9] = [
    ("#0072B2", "#4FA3E0"),
    ("#B84A00", "#FF8C42"),
    ("#007A59", "#2DC596"),
    ("#A6508C", "#DE8FC4"),
    ("#8A6100", "#E6B422"),
    ("#404040", "#D0D0D0"),
    ("#6A3FB5", "#B9A3FF"),
    ("#A3243B", "#FF93A5"),
    ("#6B6B00", "#C6C65A"),
];

/// What a drawing is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Paint {
    /// Inside our page: no ground of its own, colours by the page's style sheet.
    Page,
    /// A picture of its own: light colours on white.
    Picture,
}

impl Paint {
    const fn pick(self, page: &'static str, picture: &'static str) -> &'static str {
        match self {
            Self::Page => page,
            Self::Picture => picture,
        }
    }

    /// Words.
    pub const fn ink(self) -> &'static str {
        self.pick("currentColor", "#1B1F24")
    }

    /// Axes and their labels.
    pub const fn quiet(self) -> &'static str {
        self.pick("var(--quiet)", "#59636E")
    }

    /// Lines across the chart.
    pub const fn grid(self) -> &'static str {
        self.pick("var(--rule)", "#DDE1E6")
    }

    /// The line of an engine, or the part of a bar, at that place.
    pub fn line(self, place: usize) -> String {
        let place = place % PALETTE.len();
        match self {
            Self::Page => format!("var(--line-{place})"),
            Self::Picture => PALETTE[place].0.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The relative luminance of a colour, after WCAG 2.2.
    fn luminance(color: &str) -> f64 {
        let channel = |at: usize| {
            let c = f64::from(u8::from_str_radix(&color[at..at + 2], 16).unwrap()) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (a, b) = (luminance(one), luminance(other));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_colour_stands_out_from_its_ground() {
        for (light, dark) in PALETTE {
            for (color, ground) in [(light, "#ffffff"), (dark, "#14171b")] {
                let found = contrast(color, ground);
                assert!(found >= 4.5, "{color} on {ground}: {found:.2}");
            }
        }
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9);
    }
}
