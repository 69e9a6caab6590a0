//! The power curve of the gate: how often it finds a slowdown, over how large the slowdown is.
//!
//! Both axes are linear. A point is a share of runs, with its exact bounds; a small open circle is an
//! estimate from pairs of the bank. Series differ by marker and dash as well as by colour.

use maud::{Markup, html};

use super::chart::{HEIGHT, Place, WIDTH, marker, points, text};
use super::palette::Paint;
use crate::report::number::{plain, three};

/// Series of one picture.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::report) struct Power {
    /// What is drawn, and where it was measured.
    pub title: String,
    /// In the order of their colours.
    pub series: Vec<Series>,
}

/// One way to compare.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::report) struct Series {
    /// Its name.
    pub name: String,
    /// By rising effect.
    pub points: Vec<Point>,
}

/// One planted slowdown. Shares lie between 0 and 1.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::report) struct Point {
    /// How large it is, as a ratio less one.
    pub effect: f64,
    /// The share of runs that found it, with its lower and upper bound; `None` without a run.
    pub found: Option<[f64; 3]>,
    /// The share that an estimate gives.
    pub estimate: Option<f64>,
}

const LEFT: f64 = 60.0;
const RIGHT: f64 = WIDTH - 28.0;
const TOP: f64 = 34.0;
/// Where the effects' axis is.
const FOOT: f64 = HEIGHT - 52.0;
/// An estimate's circle.
const CIRCLE: &str = "m-2.6 0a2.6 2.6 0 1 0 5.2 0a2.6 2.6 0 1 0 -5.2 0z";

impl Power {
    /// Draws it as a picture of its own.
    pub fn picture(&self) -> String {
        let paint = Paint::Picture;
        let (ink, quiet, grid) = (paint.ink(), paint.quiet(), paint.grid());
        let most = self.most();
        let (x, y) = (|effect: f64| x(effect, most), y);
        let drawing = html! {
            svg xmlns="http://www.w3.org/2000/svg" width=(WIDTH) height=(HEIGHT)
                font-family="system-ui, sans-serif" font-size="13"
                viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-labelledby="power-t power-d" {
                title id="power-t" { (plain(&self.title)) }
                desc id="power-d" { (self.describe()) }
                rect width=(WIDTH) height=(HEIGHT) fill="#FFFFFF" {}
                (text(&self.title, ((LEFT + RIGHT) / 2.0, TOP - 18.0), "middle", ink))
                @for fifth in 0..=5 {
                    @let share = f64::from(fifth) / 5.0;
                    path d=(format!("M{LEFT} {:.1}H{RIGHT}", y(share))) stroke=(grid) {}
                    (text(&format!("{:.0} %", 100.0 * share), (LEFT - 8.0, y(share)), "end", quiet))
                }
                @for percent in ticks(most) {
                    @let at = x(percent / 100.0);
                    path d=(format!("M{at:.1} {FOOT}v5")) stroke=(quiet) {}
                    (text(&format!("{percent} %"), (at, FOOT + 17.0), "middle", quiet))
                }
                path d=(format!("M{LEFT} {FOOT}H{RIGHT}")) stroke=(quiet) {}
                (text("planted slowdown, as measured", ((LEFT + RIGHT) / 2.0, HEIGHT - 12.0), "middle", ink))
                @for (place, series) in self.series.iter().enumerate() { (series.draw(place, &x, paint)) }
                @for (place, series) in self.series.iter().enumerate() {
                    @let at = (RIGHT - 230.0, FOOT - 20.0 - 18.0 * place as f64);
                    (marker(at, &paint.line(place), place))
                    (text(&series.name, (at.0 + 12.0, at.1), "start", ink))
                }
            }
        };
        drawing.into_string() + "\n"
    }

    /// The largest effect.
    fn most(&self) -> f64 {
        let effects = self.series.iter().flat_map(|series| &series.points).map(|point| point.effect);
        effects.fold(0.01, f64::max)
    }

    /// The picture in words.
    fn describe(&self) -> String {
        let mut words = "The share of runs that find a slowdown, over its size.".to_owned();
        for Series { name, points } in &self.series {
            words += &format!(" {name}:");
            for (n, point) in points.iter().enumerate() {
                let comma = if n > 0 { "," } else { "" };
                let percent = |share: f64| format!("{} %", three(100.0 * share));
                let found = point.found.map(|[share, ..]| percent(share));
                let estimate = point.estimate.map(|share| format!("{} (estimate)", percent(share)));
                let share = found.or(estimate).unwrap_or_else(|| "no run".to_owned());
                words += &format!("{comma} {share} at {}", percent(point.effect));
            }
            words.push('.');
        }
        plain(&words)
    }
}

impl Series {
    fn draw(&self, place: usize, x: &dyn Fn(f64) -> f64, paint: Paint) -> Markup {
        let color = paint.line(place);
        let dash = (place > 0).then_some("7 3");
        let counted = || self.points.iter().filter_map(|point| Some((x(point.effect), point.found?)));
        let line: Vec<Place> = counted().map(|(x, [share, ..])| (x, y(share))).collect();
        let estimates = self.points.iter().filter_map(|point| Some((x(point.effect), y(point.estimate?))));
        html! {
            g class="series" data-series=(plain(&self.name)) {
                @if line.len() > 1 {
                    polyline points=(points(&line)) fill="none" stroke=(color) stroke-width="1.8"
                        stroke-dasharray=[dash] {}
                }
                @for (x, [_, low, high]) in counted() {
                    @let bar = format!("M{x:.1} {:.1}V{:.1}m-4 0h8", y(low), y(high));
                    path d=(format!("{bar}M{:.1} {:.1}h8", x - 4.0, y(low))) fill="none" stroke=(color) {}
                }
                @for at in &line { (marker(*at, &color, place)) }
                @for (x, y) in estimates {
                    path class="estimate" d=(format!("M{x:.1} {y:.1}{CIRCLE}")) fill="#FFFFFF"
                        stroke=(color) {}
                }
            }
        }
    }
}

fn x(effect: f64, most: f64) -> f64 {
    LEFT + effect / (1.08 * most) * (RIGHT - LEFT)
}

fn y(share: f64) -> f64 {
    FOOT - share * (FOOT - TOP)
}

/// Round percentages up to the largest effect, ten at most.
fn ticks(most: f64) -> Vec<f64> {
    let percent = 108.0 * most;
    let step = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0].into_iter().find(|step| percent / step <= 10.0);
    let step = step.unwrap_or(20.0);
    (0..)
        .map(|n| (f64::from(n) * step * 10.0).round() / 10.0)
        .take_while(|tick| *tick <= percent)
        .take(11)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power() -> Power {
        let point = |effect, found, estimate| Point { effect, found, estimate };
        Power {
            title: "Slowdowns that the gate finds, on <CPU>".into(),
            series: vec![
                Series {
                    name: "forty link orders a side".into(),
                    points: vec![
                        point(0.0051, Some([0.5, 0.4, 0.6]), Some(0.48)),
                        point(0.0203, Some([1.0, 0.98, 1.0]), None),
                        point(0.05, None, Some(1.0)),
                    ],
                },
                Series {
                    name: "one binary a side".into(),
                    points: vec![point(0.02, Some([0.9, 0.8, 0.95]), None)],
                },
            ],
        }
    }

    #[test]
    fn every_point_has_its_bounds_and_an_estimate_looks_otherwise() {
        let svg = power().picture();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let count = |class: &str| {
            document.descendants().filter(|node| node.attribute("class") == Some(class)).count()
        };
        assert_eq!((count("series"), count("marker"), count("estimate")), (2, 3 + 2, 2), "{svg}");
        let lines = document.descendants().filter(|node| node.has_tag_name("polyline"));
        assert_eq!(lines.count(), 1, "one point alone has no line");
        let texts: Vec<_> = document.descendants().filter_map(|node| node.text()).map(str::trim).collect();
        for words in ["0 %", "100 %", "1 %", "5 %", "one binary a side", "planted slowdown, as measured"] {
            assert!(texts.contains(&words), "{words} in {texts:?}");
        }
        let described =
            "forty link orders a side: 50.0 % at 0.510 %, 100 % at 2.03 %, 100 % (estimate) at 5.00 %.";
        assert!(svg.contains(described), "{svg}");
        assert!(!svg.contains("<CPU>") && svg.contains("&lt;CPU&gt;"));
    }

    #[test]
    fn a_higher_share_is_higher_and_a_larger_effect_is_further_to_the_right() {
        assert!(y(1.0) < y(0.5) && y(0.0) == FOOT && y(1.0) == TOP);
        assert!(x(0.0, 0.05) == LEFT && x(0.05, 0.05) < RIGHT && x(0.05, 0.05) > x(0.02, 0.05));
        assert_eq!(ticks(0.05), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(ticks(0.02).len(), 5);
        assert!((2..=11).contains(&ticks(0.01).len()) && (2..=11).contains(&ticks(3.0).len()));
    }

    #[test]
    fn a_picture_without_a_point_is_still_one() {
        let none = Power { title: "nothing".into(), series: Vec::new() };
        assert!(roxmltree::Document::parse(&none.picture()).is_ok());
    }
}
