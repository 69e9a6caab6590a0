//! Witnesses, taken before a verb says anything of the engines.

use super::progress;
use crate::aead::Alg;
use crate::engine::{Engine, Witnesses};
use crate::measure::trace::witness;

/// Takes them with a progress line.
pub(super) fn take(engines: &[&'static dyn Engine], algs: &[Alg]) -> Witnesses {
    let bar = progress::spinner("tracing");
    let witnesses = witness::take(engines, algs, &|engine| bar.set_message(engine.to_owned()));
    bar.finish_and_clear();
    if let Some(why) = witnesses.none_because() {
        eprintln!("note: it is not known what the engines execute: {why}");
    }
    witnesses
}
