//! What a calibration compares: one binary with itself, the same code in other link orders, or that with a
//! slowdown planted in the head.
//!
//! Here are also the targets: how many runs of each kind there must be, and what they must show.

use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::measure::gate::orders;

/// Which programs the two sides get.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Builds {
    /// One and the same binary.
    Same,
    /// [`orders::A_SIDE`] link orders a side, all different.
    Orders,
    /// One link order a side, two different ones.
    Single,
}

impl Builds {
    /// How many different programs it takes.
    pub const fn programs(self) -> usize {
        match self {
            Self::Same => 1,
            Self::Single => 2,
            Self::Orders => 2 * orders::A_SIDE,
        }
    }

    /// Draws the programs of both sides; `None` where there are too few.
    pub fn draw(self, programs: &[usize], rng: &mut impl Rng) -> Option<[Vec<usize>; 2]> {
        let mut programs = programs.to_vec();
        programs.shuffle(rng);
        let side = |from: usize, len: usize| Some(programs.get(from..from + len)?.to_vec());
        match self {
            Self::Same => Some([side(0, 1)?, side(0, 1)?]),
            Self::Single => Some([side(0, 1)?, side(1, 1)?]),
            Self::Orders => Some([side(0, orders::A_SIDE)?, side(orders::A_SIDE, orders::A_SIDE)?]),
        }
    }
}

/// The least effects of interest, as ratios less one.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Margins {
    /// With [`A_SIDE`](crate::measure::gate::orders::A_SIDE) link orders a side.
    pub orders: f64,
    /// With one binary a side.
    pub single: f64,
}

impl Margins {
    /// That of comparisons with these builds.
    pub const fn of(self, builds: Builds) -> f64 {
        match builds {
            Builds::Orders => self.orders,
            Builds::Same | Builds::Single => self.single,
        }
    }
}

/// What the runs of a kind must show.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Wanted {
    /// The upper bound of the share of false verdicts is at most this.
    Bound(f64),
    /// The share of false verdicts is at most this.
    AtMost(f64),
    /// The share of found slowdowns is at least this.
    AtLeast(f64),
    /// Reported, without a bar.
    Reported,
}

/// A kind of comparison.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(into = "String")]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// Which programs the two sides get.
    pub builds: Builds,
    /// The planted slowdown, as a share of a slice's time; 0 for none.
    pub plant: f64,
    /// How many runs a full campaign has.
    pub runs: usize,
    /// What they must show.
    pub wanted: Wanted,
}

/// Every kind, in the order of the table.
pub const KINDS: [Kind; 10] = [
    kind("same", Builds::Same, 0.0, 370, Wanted::Bound(0.013)),
    kind("orders", Builds::Orders, 0.0, 150, Wanted::AtMost(0.05)),
    kind("planted-0.5", Builds::Orders, 0.005, 75, Wanted::Reported),
    kind("planted-0.75", Builds::Orders, 0.0075, 75, Wanted::Reported),
    kind("planted-1", Builds::Orders, 0.01, 75, Wanted::AtLeast(0.8)),
    kind("planted-2", Builds::Orders, 0.02, 150, Wanted::AtLeast(0.95)),
    kind("planted-5", Builds::Orders, 0.05, 75, Wanted::Reported),
    kind("single", Builds::Single, 0.0, 75, Wanted::Reported),
    kind("single-1", Builds::Single, 0.01, 75, Wanted::Reported),
    kind("single-2", Builds::Single, 0.02, 75, Wanted::Reported),
];

const fn kind(name: &'static str, builds: Builds, plant: f64, runs: usize, wanted: Wanted) -> Kind {
    Kind { name, builds, plant, runs, wanted }
}

impl Kind {
    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.name == name)
    }

    /// Whether a slowdown is planted.
    pub fn is_planted(self) -> bool {
        self.plant > 0.0
    }

    /// The kind that differs in the slowdown alone: it has none.
    pub fn unplanted(self) -> Self {
        KINDS.into_iter().find(|kind| kind.builds == self.builds && !kind.is_planted()).unwrap_or(self)
    }
}

/// Kinds are compared by name.
impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        kind.name.to_owned()
    }
}

// By hand: derived, it would borrow the name from the text.
impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl TryFrom<String> for Kind {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::named(&name).ok_or_else(|| {
            let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            format!("no kind of comparison is called {name}; there are: {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_name_is_one_kind_and_says_its_slowdown() {
        for kind in KINDS {
            assert_eq!(KINDS.iter().filter(|other| other.name == kind.name).count(), 1);
            let percent = kind.name.split_once('-').map_or(0.0, |(_, text)| text.parse::<f64>().unwrap());
            assert!((percent / 100.0 - kind.plant).abs() < 1e-12, "{}", kind.name);
            let without = kind.unplanted();
            assert!(!without.is_planted() && without.builds == kind.builds, "{}", kind.name);
            assert_eq!(Kind::try_from(String::from(kind)), Ok(kind));
        }
        let why = Kind::try_from("planted-3".to_owned()).unwrap_err();
        assert!(
            why.starts_with("no kind of comparison is called planted-3; there are: same, orders, "),
            "{why}"
        );
    }

    #[test]
    fn the_programs_of_two_sides_differ_unless_they_are_meant_to_be_the_same() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let many: Vec<usize> = (3..4 + 2 * orders::A_SIDE).collect();
        for _ in 0..50 {
            let [base, head] = Builds::Orders.draw(&many, &mut rng).unwrap();
            let mut all = [base, head].concat();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), 2 * orders::A_SIDE);
            let [base, head] = Builds::Single.draw(&[3, 5, 6], &mut rng).unwrap();
            assert!(base.len() == 1 && head.len() == 1 && base != head);
            let [base, head] = Builds::Same.draw(&[3, 5, 6], &mut rng).unwrap();
            assert!(base.len() == 1 && base == head);
        }
        assert_eq!(Builds::Orders.draw(&[1, 2, 3, 4, 5], &mut rng), None);
        assert_eq!(Builds::Single.draw(&[1], &mut rng), None);
        assert_eq!(Builds::Same.draw(&[], &mut rng), None);
    }
}
