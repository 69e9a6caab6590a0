//! The checker of a cluster: what may happen only once, and what each place may hold.
//!
//! A place is a key of the cluster, or of one member. Whoever uses it says when a write begins and when it is
//! acknowledged, and everything that is read. A write without an answer may take effect at any later time,
//! once. A read must find the last acknowledged value or such a write; whatever it finds has then taken
//! effect, so no older value may be read after it. That is linearizability, for clients that take turns.

use std::collections::{BTreeMap, HashSet};

/// What a place holds; nothing if it was never written or is deleted.
pub type Value = Option<Vec<u8>>;

/// Sees everything that happens in a cluster.
#[derive(Default)]
pub struct Checker {
    issued: HashSet<Vec<u8>>,
    places: BTreeMap<String, Place>,
    /// The broken promises, in order.
    pub broken: Vec<String>,
}

struct Place {
    holds: Value,
    /// Writes without an answer.
    pending: Vec<Value>,
}

impl Checker {
    /// Something that may happen only once.
    pub fn once(&mut self, what: &str, unique: Vec<u8>) {
        if !self.issued.insert(unique) {
            self.broken.push(format!("{what} is issued twice"));
        }
    }

    /// How much happened that may happen only once.
    pub fn issued(&self) -> usize {
        self.issued.len()
    }

    fn place(&mut self, place: &str) -> &mut Place {
        let new = || Place { holds: None, pending: Vec::new() };
        self.places.entry(place.to_owned()).or_insert_with(new)
    }

    /// A write begins.
    pub fn begin(&mut self, place: &str, value: Value) {
        self.place(place).pending.push(value);
    }

    /// A write that began is acknowledged.
    pub fn acknowledge(&mut self, place: &str, value: Value) {
        let found = self.place(place);
        // If it is not pending, a read has seen it already, and others may have taken effect since then.
        if let Some(at) = found.pending.iter().position(|pending| *pending == value) {
            found.pending.remove(at);
            found.holds = value;
        }
    }

    /// A read finds this value.
    pub fn read(&mut self, place: &str, value: Value) {
        let found = self.place(place);
        if found.holds == value {
            return;
        }
        if let Some(at) = found.pending.iter().position(|pending| *pending == value) {
            found.pending.remove(at);
            found.holds = value;
            return;
        }
        let (holds, read) = (shown(&found.holds), shown(&value));
        self.broken.push(format!("{place} reads as another: {read} instead of {holds}"));
    }

    /// Every place that was written.
    pub fn places(&self) -> Vec<String> {
        self.places.keys().cloned().collect()
    }
}

fn shown(value: &Value) -> String {
    value.as_ref().map_or_else(|| "nothing".into(), |value| String::from_utf8_lossy(value).into_owned())
}

fn value(text: &str) -> Value {
    Some(text.as_bytes().to_vec())
}

#[test]
fn a_stale_read_fails_the_checker() {
    let mut checker = Checker::default();
    for text in ["old", "new"] {
        checker.begin("k", value(text));
        checker.acknowledge("k", value(text));
    }
    checker.read("k", value("new"));
    assert_eq!((checker.broken.len(), checker.places()), (0, vec!["k".to_owned()]));
    checker.read("k", value("old"));
    assert_eq!(checker.broken, ["k reads as another: old instead of new"]);
}

#[test]
fn a_lost_write_fails_the_checker_once_it_was_acknowledged_or_read() {
    for read_first in [false, true] {
        let mut checker = Checker::default();
        checker.begin("k", value("v"));
        checker.read("k", None);
        assert!(checker.broken.is_empty(), "it had not taken effect yet");
        if read_first {
            checker.read("k", value("v"));
        } else {
            checker.acknowledge("k", value("v"));
        }
        checker.read("k", None);
        assert_eq!(checker.broken, ["k reads as another: nothing instead of v"]);
    }
}

#[test]
fn a_write_without_an_answer_may_take_effect_later_but_only_once() {
    let mut checker = Checker::default();
    checker.begin("k", value("slow"));
    checker.begin("k", value("quick"));
    checker.acknowledge("k", value("quick"));
    checker.read("k", value("quick"));
    checker.read("k", value("slow"));
    assert!(checker.broken.is_empty(), "{:?}", checker.broken);
    checker.read("k", value("quick"));
    assert_eq!(checker.broken.len(), 1);
    checker.acknowledge("k", value("slow"));
    assert_eq!(checker.broken.len(), 1, "its answer comes late and changes nothing");
}

#[test]
fn what_happens_twice_fails_the_checker() {
    let mut checker = Checker::default();
    checker.once("nonce 1", vec![1]);
    checker.once("nonce 2", vec![2]);
    assert!(checker.broken.is_empty());
    checker.once("nonce 1", vec![1]);
    assert_eq!((checker.broken.len(), checker.issued()), (1, 2));
    assert_eq!(checker.broken[0], "nonce 1 is issued twice");
}
