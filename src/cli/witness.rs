//! Traces of the engines, taken before a verb judges or measures them.

use super::{Format, progress};
use crate::aead::Alg;
use crate::engine::{Engine, Witnesses};
use crate::measure::trace::witness;

/// Traces the engines, with a progress line. If none could be traced, stderr says why; in text format the
/// summary does.
pub(super) fn take(engines: &[&'static dyn Engine], algs: &[Alg], format: Format) -> Witnesses {
    let bar = progress::spinner("tracing");
    let witnesses = witness::take(engines, algs, &|engine| bar.set_message(engine.to_owned()));
    bar.finish_and_clear();
    if let (Some(why), Format::Json) = (witnesses.none_because(), format) {
        eprintln!("note: the engines could not be traced, so it is unknown what they execute: {why}");
    }
    witnesses
}
