//! The bytes of a file, in pages that copies share until one of them is written.

use std::sync::{Arc, LazyLock};

/// The size of a database page, so that a copy that differs in one page owns only one.
const PAGE_LEN: usize = 4096;

type Page = Arc<[u8; PAGE_LEN]>;

static ZEROS: LazyLock<Page> = LazyLock::new(|| Arc::new([0; PAGE_LEN]));

/// A file's bytes. The rest of the last page is zeros.
#[derive(Clone, Default, Debug)]
pub(super) struct Image {
    len: usize,
    pages: Vec<Page>,
    /// Bytes truncated from its end, with their offsets: no longer readable, but still on the medium.
    cut_off: Vec<(usize, Arc<[u8]>)>,
}

/// Compares what readers see: truncated bytes are not part of a file.
impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.pages == other.pages
    }
}

impl Image {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes truncated from its end, with their offsets.
    pub(super) fn cut_off(&self) -> &[(usize, Arc<[u8]>)] {
        &self.cut_off
    }

    /// Fills `out` with the bytes that start at `at`; returns false if the file is too short.
    #[must_use]
    pub(super) fn read(&self, at: usize, out: &mut [u8]) -> bool {
        let inside = at.checked_add(out.len()).is_some_and(|end| end <= self.len);
        if inside {
            pieces(at, out.len(), |page, from, piece| {
                let len = piece.len();
                out[piece].copy_from_slice(&self.pages[page][from..][..len]);
            });
        }
        inside
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.pages.len() * PAGE_LEN);
        self.pages.iter().for_each(|page| bytes.extend_from_slice(&page[..]));
        bytes.truncate(self.len);
        bytes
    }

    /// Writes bytes at `at`, if there are any; a gap before them is filled with zeros.
    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.set_len(self.len.max(at + bytes.len()));
        pieces(at, bytes.len(), |page, from, piece| {
            let piece = &bytes[piece];
            if piece == &ZEROS[..] {
                self.pages[page] = Arc::clone(&ZEROS);
            } else {
                Arc::make_mut(&mut self.pages[page])[from..][..piece.len()].copy_from_slice(piece);
            }
        });
    }

    /// Truncates it to this length, or extends it with zeros.
    pub(super) fn set_len(&mut self, len: usize) {
        if len < self.len {
            let mut tail = vec![0; self.len - len];
            let inside = self.read(len, &mut tail);
            if inside && tail.iter().any(|byte| *byte != 0) {
                self.cut_off.push((len, tail.into()));
            }
        }
        self.pages.resize(len.div_ceil(PAGE_LEN), Arc::clone(&ZEROS));
        if len < self.len && !len.is_multiple_of(PAGE_LEN) {
            Arc::make_mut(&mut self.pages[len / PAGE_LEN])[len % PAGE_LEN..].fill(0);
        }
        self.len = len;
    }
}

/// Splits a range of a file at page boundaries; calls `each` with the page, the offset in it, and the part of
/// the range.
fn pieces(at: usize, len: usize, mut each: impl FnMut(usize, usize, std::ops::Range<usize>)) {
    let mut done = 0;
    while done < len {
        let from = (at + done) % PAGE_LEN;
        let piece = (PAGE_LEN - from).min(len - done);
        each((at + done) / PAGE_LEN, from, done..done + piece);
        done += piece;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_a_vector_whose_copies_share_pages() {
        let (mut image, mut model) = (Image::default(), Vec::new());
        for (i, at) in [0, 5, 4_090, 4_096, 9_000, 20_000, 8_191].into_iter().enumerate() {
            let bytes = vec![i as u8 + 1; [1, 4_096, 12, 10_000][i % 4]];
            model.resize(model.len().max(at + bytes.len()), 0);
            model[at..at + bytes.len()].copy_from_slice(&bytes);
            image.write(at, &bytes);
            assert_eq!(image.to_vec(), model, "{at}");
            let mut out = vec![0; bytes.len()];
            assert!(image.read(at, &mut out) && out == bytes, "{at}");
        }
        let copy = image.clone();
        image.write(5_000, b"x");
        let shared = copy.pages.iter().zip(&image.pages).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!(shared, copy.pages.len() - 1);
        assert_eq!(copy.to_vec(), model);
        for len in [4_096, 4_000, 7_000, 0] {
            image.set_len(len);
            model.resize(len, 0);
            assert_eq!((image.len(), image.to_vec()), (len, model.clone()));
        }
        assert!(!image.read(0, &mut [0]) && image.read(0, &mut []));
    }
}
