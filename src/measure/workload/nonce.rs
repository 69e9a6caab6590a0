//! `nonce`: issuing nonces, the first step of sealing a record.
//!
//! Each operation stores the nonce with its own write count; a reset stores zeros.

use std::hint::black_box;

use crate::aead::{NONCE_LEN, Nonce};
use crate::engine::Engine;
use crate::envelope::NonceSource;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::kind::{Kind, Scope, Subject};
use crate::timing::Timed;

/// Issues a nonce.
pub(super) struct IssueNonce;

impl Kind for IssueNonce {
    fn name(&self) -> &'static str {
        "nonce"
    }

    fn subject(&self) -> Subject {
        Subject::Nothing
    }

    fn prepare(&self, _: &Workload, _: &'static dyn Engine, count: usize) -> Result<Box<dyn Timed>, Error> {
        Ok(nonces(count))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }
}

struct Nonces {
    source: NonceSource,
    before: u64,
    issued: Vec<Nonce>,
}

/// A nonce that no source issues: write counts begin with 1.
const NOT_ISSUED: Nonce = [0; NONCE_LEN];

/// `count` nonces from one source.
fn nonces(count: usize) -> Box<dyn Timed> {
    Box::new(Nonces { source: NonceSource::new(1, 1), before: 0, issued: vec![NOT_ISSUED; count] })
}

impl Timed for Nonces {
    fn reset(&mut self) {
        self.before = self.source.issued();
        self.issued.fill(NOT_ISSUED);
    }

    fn run(&mut self) {
        for issued in &mut self.issued {
            *issued = black_box(&self.source).next().unwrap_or(NOT_ISSUED);
        }
        black_box(&self.issued);
    }

    fn count(&self) -> u64 {
        self.issued.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        for (writes, issued) in (self.before + 1..).zip(&self.issued) {
            // Node 1, epoch 1, and the write count.
            let mut expected = [0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
            expected[4..].copy_from_slice(&writes.to_be_bytes());
            if *issued != expected {
                return Err(format!("write {writes} got the nonce {issued:02x?}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::workload::testing::{pass, removed};

    #[test]
    fn nonces_are_counted_and_right() {
        let mut nonces = nonces(10);
        assert_eq!(nonces.count(), 10);
        nonces.reset();
        assert!(nonces.check().is_err_and(|why| why.contains("write 1 got")), "not run yet");
        assert_eq!(pass(&mut *nonces), Ok(()));
        assert_eq!(pass(&mut *nonces), Ok(()));
    }

    #[test]
    fn removed_work_shows_in_what_is_left() {
        let (source, issued) = (NonceSource::new(1, 1), vec![NOT_ISSUED; 4]);
        let mut nonces = Nonces { source, before: 0, issued };
        assert_eq!(pass(&mut nonces), Ok(()));
        for left in removed(&nonces.issued.clone(), &NOT_ISSUED) {
            nonces.issued = left;
            assert!(nonces.check().is_err_and(|why| why.contains("got the nonce")), "{:?}", nonces.issued);
        }
    }
}
