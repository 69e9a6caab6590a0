//! `frame/header` and `frame/parse`: writing the header of a frame, and reading it.
//!
//! Each operation writes its whole header, or leaves sender and nonce; a reset writes zeros.

use std::hint::black_box;

use super::fixture::{Way, header};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::parts::Parts;
use crate::measure::workload::kind::{Kind, Scope, Subject};
use crate::scheme::tunnel::Mode;
use crate::scheme::tunnel::frame::{Header, PILS_HEADER_LEN, PILS_OVERHEAD};
use crate::timing::Timed;

/// Writes a frame's header.
pub(super) struct WriteHeader;

impl Kind for WriteHeader {
    fn name(&self) -> &'static str {
        "header"
    }

    fn subject(&self) -> Subject {
        Subject::Part("frame")
    }

    fn prepare(&self, _: &Workload, _: &'static dyn Engine, count: usize) -> Result<Box<dyn Timed>, Error> {
        Ok(Parts::timed(count, write, right_header))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }
}

/// Reads a frame's header.
pub(super) struct ParseHeader;

impl Kind for ParseHeader {
    fn name(&self) -> &'static str {
        "parse"
    }

    fn subject(&self) -> Subject {
        Subject::Part("frame")
    }

    fn prepare(&self, _: &Workload, _: &'static dyn Engine, count: usize) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(Parses::new(count)))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }
}

/// The sender, which [`header`] writes for frames of peers.
fn sender(number: u32) -> u32 {
    number.rotate_left(16)
}

fn write(number: u32, to: &mut [u8; PILS_HEADER_LEN]) {
    Header::new(sender(number), *b"peer", u64::from(number)).encode_into(to);
}

/// The header by hand: magic, sender, prefix, counter.
fn right_header(number: u32) -> [u8; PILS_HEADER_LEN] {
    let (bytes, _) = header(Mode::Safe, sender(number), Way::In, u64::from(number));
    bytes.try_into().expect("it has the length of a header")
}

/// Headers to read, each at the beginning of a frame.
struct Parses {
    frames: Vec<[u8; PILS_OVERHEAD]>,
    read: Vec<Option<Header>>,
}

impl Parses {
    fn new(count: usize) -> Self {
        let frame = |number| {
            let mut frame = [0; PILS_OVERHEAD];
            frame[..PILS_HEADER_LEN].copy_from_slice(&right_header(number));
            frame
        };
        Self { frames: (1..=count as u32).map(frame).collect(), read: vec![None; count] }
    }
}

impl Timed for Parses {
    fn reset(&mut self) {
        self.read.fill(None);
    }

    fn run(&mut self) {
        for (frame, read) in self.frames.iter().zip(&mut self.read) {
            *read = Header::decode(black_box(frame)).ok();
        }
        black_box(&self.read);
    }

    fn count(&self) -> u64 {
        self.frames.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        for (number, read) in (1..=self.frames.len() as u32).zip(&self.read) {
            let (_, nonce) = header(Mode::Safe, sender(number), Way::In, u64::from(number));
            if *read != Some(Header { sender: sender(number), nonce }) {
                return Err(format!("header {number} was not read as it was written"));
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
    fn headers_are_written_and_removed_work_shows_in_what_is_left() {
        let mut headers =
            Parts { count: 4, write, written: vec![[0; PILS_HEADER_LEN]; 4], right: right_header };
        assert_eq!(pass(&mut headers), Ok(()));
        for left in removed(&headers.written.clone(), &[0; PILS_HEADER_LEN]) {
            headers.written = left;
            assert!(headers.check().is_err_and(|why| why.contains("key id")), "{:?}", headers.written);
        }
    }

    #[test]
    fn headers_are_read_and_removed_work_shows_in_what_is_left() {
        let mut parses = Parses::new(4);
        assert_eq!((pass(&mut parses), pass(&mut parses)), (Ok(()), Ok(())));
        for left in removed(&parses.read.clone(), &None) {
            parses.read = left;
            assert!(parses.check().is_err_and(|why| why.contains("was not read")), "{:?}", parses.read);
        }
    }
}
