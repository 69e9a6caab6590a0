//! AES-GCM over lanes (SP 800-38D: GCTR is 6.5, GHASH 6.4, sealing 7.1 and opening 7.2). A message is
//! processed as one sequence of blocks that begins with J0, so that a short message needs one trip through
//! AES and one reduction: the last [`pass`](super::pass), which ends every message. Longer messages go
//! through [`bulk`](super::bulk) first.

use super::block::lengths;
use super::bulk::long;
use super::edge::Edge;
use super::gcm::verdict;
use super::interleave::{Ciphertext, each, span};
use super::key::Key;
use super::lanes::Lanes;
use super::pass::Pass;
use super::{Error, Nonce, Tag};

/// The first counter block for an IV that is not 96 bits long: GHASH of the IV and its length.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub(super) unsafe fn j0_of_iv<L: Lanes, const TURN: usize>(key: &Key<L>, iv: &[u8]) -> u128 {
    // SAFETY: this function's contract is that of `Lanes`.
    unsafe {
        let y = absorb::<L, TURN>(key, L::hash(0), iv);
        let y = absorb::<L, TURN>(key, y, &lengths(0, iv.len()).to_be_bytes());
        L::coefficients(y).swap_bytes()
    }
}

/// Seals a message under a nonce of 96 bits, and writes its tag.
///
/// # Safety
/// As for [`Lanes`]; `key` has `ROUNDS` rounds; the message is [filled](super::edge::is_filled), if `FILLED`
/// says so, or [short](super::edge::is_short) for `MOST` vectors.
#[inline(always)]
pub(super) unsafe fn seal<L: Edge, const MOST: usize, const FILLED: bool, const ROUNDS: usize>(
    key: &Key<L>,
    nonce: &Nonce,
    aad: &[u8],
    in_out: &mut [u8],
    tag: &mut Tag,
) {
    // SAFETY: this function's contract is that of `Lanes`.
    unsafe { L::store_block(&mut tag.0, short::<L, MOST, FILLED, ROUNDS, true>(key, nonce, aad, in_out)) }
}

/// Opens: like [`seal`], and returns the verdict.
///
/// # Safety
/// As for [`seal`].
#[inline(always)]
pub(super) unsafe fn open<L: Edge, const MOST: usize, const FILLED: bool, const ROUNDS: usize>(
    key: &Key<L>,
    nonce: &Nonce,
    aad: &[u8],
    in_out: &mut [u8],
    tag: &Tag,
) -> Result<(), Error> {
    // SAFETY: this function's contract is that of `Lanes`.
    unsafe {
        let expected = short::<L, MOST, FILLED, ROUNDS, false>(key, nonce, aad, in_out);
        verdict(in_out, L::is_tag(expected, &tag.0))
    }
}

/// Encrypts or decrypts a short message, and returns its tag.
///
/// # Safety
/// As for [`seal`].
#[inline(always)]
unsafe fn short<L: Edge, const MOST: usize, const FILLED: bool, const ROUNDS: usize, const SEAL: bool>(
    key: &Key<L>,
    nonce: &Nonce,
    aad: &[u8],
    in_out: &mut [u8],
) -> L::Hash {
    const { assert!(L::BLOCKS * L::ENTRY_VECTORS < Key::<L>::POWERS, "a power for each block") }
    // SAFETY: this function's contract is that of `Lanes`.
    unsafe {
        // Only for the messages of the entry: others may have more blocks than there are powers.
        if const { !FILLED && MOST == L::ENTRY_VECTORS } {
            let powers = [key.powers(1), key.powers(2 + in_out.len().div_ceil(16))];
            let shorter = L::shorter::<ROUNDS, SEAL>(key.round::<ROUNDS>(), powers, nonce, aad, in_out);
            if let Some(tag) = shorter {
                return tag;
            }
        }
        let pass = Pass::new::<ROUNDS>(key, nonce, 1, L::element(aad), aad.len(), in_out);
        let (hash, mask) =
            if FILLED { pass.filled::<MOST, ROUNDS, SEAL>() } else { pass.only::<MOST, ROUNDS, SEAL>() };
        L::tag(hash, mask)
    }
}

/// Encrypts or decrypts any message, and writes the tag that belongs to the ciphertext. J0 consists of
/// `nonce` and `number`.
///
/// # Safety
/// As for [`Lanes`]; `key` has `ROUNDS` rounds; the lengths are allowed.
#[inline(always)]
pub(super) unsafe fn crypt<L: Edge, const ROUNDS: usize, const SEAL: bool>(
    key: &Key<L>,
    nonce: &Nonce,
    number: u32,
    aad: &[u8],
    in_out: &mut [u8],
    tag: &mut Tag,
) {
    // Each in a function of its own: without optimisation, a frame has a place for every variable of
    // everything that is inlined.
    //
    // SAFETY: this function's contract; each takes messages of the length that it is called for.
    unsafe {
        if in_out.len() <= const { span::<L>(L::TAIL_VECTORS) - 16 } {
            L::only::<ROUNDS, SEAL>(key, nonce, number, aad, in_out, tag);
        } else if const { L::TURN_VECTORS != L::LONG_TURN_VECTORS } && in_out.len() + 16 > L::LONG {
            L::long_turns::<ROUNDS, SEAL>(key, nonce, number, aad, in_out, tag);
        } else {
            L::turns::<ROUNDS, SEAL>(key, nonce, number, aad, in_out, tag);
        }
    }
}

/// All of a message, whose AAD is hashed but for its last block, which travels with J0.
///
/// # Safety
/// As for [`Lanes`]; `key` has `ROUNDS` rounds.
#[inline(always)]
unsafe fn whole<'a, L: Edge, const ROUNDS: usize>(
    key: &'a Key<L>,
    nonce: &Nonce,
    number: u32,
    aad: &[u8],
    in_out: &mut [u8],
) -> Pass<'a, L> {
    // SAFETY: this function's contract is that of `Lanes`.
    unsafe {
        let before = if aad.len() <= 16 {
            L::element(aad)
        } else {
            let whole = (aad.len() - 1) / 16 * 16;
            let mut y = L::hash(0);
            L::absorb(key, &aad[..whole], &mut y);
            L::add_hashes(y, L::element(&aad[whole..]))
        };
        Pass::new::<ROUNDS>(key, nonce, number, before, aad.len(), in_out)
    }
}

/// Encrypts or decrypts a message of at most `MOST` vectors, and writes its tag.
///
/// # Safety
/// As for [`crypt`]; the message has no more vectors.
#[inline(always)]
pub(super) unsafe fn only<L: Edge, const MOST: usize, const ROUNDS: usize, const SEAL: bool>(
    key: &Key<L>,
    nonce: &Nonce,
    number: u32,
    aad: &[u8],
    in_out: &mut [u8],
    tag: &mut Tag,
) {
    // SAFETY: this function's contract is that of `Lanes`.
    unsafe {
        let (hash, mask) = whole::<L, ROUNDS>(key, nonce, number, aad, in_out).only::<MOST, ROUNDS, SEAL>();
        L::store_block(&mut tag.0, L::tag(hash, mask));
    }
}

/// Encrypts or decrypts a message in turns of `TURN` vectors, and writes its tag.
///
/// # Safety
/// As for [`crypt`]; the message has more than [`Lanes::TAIL_VECTORS`] vectors.
#[inline(always)]
pub(super) unsafe fn turns<
    L: Edge,
    const TURN: usize,
    const STEP: usize,
    const ROUNDS: usize,
    const SEAL: bool,
>(
    key: &Key<L>,
    nonce: &Nonce,
    number: u32,
    aad: &[u8],
    in_out: &mut [u8],
    tag: &mut Tag,
) {
    const {
        assert!(
            L::TAIL_VECTORS + 1 >= L::TURN_VECTORS + L::LEAST_TAIL,
            "what is too long for a pass has a turn"
        );
        assert!(
            L::TURN_VECTORS == L::LONG_TURN_VECTORS
                || L::LONG >= span::<L>(L::LONG_TURN_VECTORS + L::LEAST_TAIL - 1),
            "so has a long message"
        );
    }
    // SAFETY: this function's contract is that of `Lanes`.
    unsafe {
        let mut pass = whole::<L, ROUNDS>(key, nonce, number, aad, in_out);
        let (hash, mask) = long::<L, TURN, STEP, ROUNDS, SEAL>(&mut pass);
        L::store_block(&mut tag.0, L::tag(hash, mask));
    }
}

/// Hashes bytes, padded with zeros to whole blocks, after what `y` is the hash of.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub(super) unsafe fn absorb<L: Lanes, const TURN: usize>(key: &Key<L>, y: L::Hash, data: &[u8]) -> L::Hash {
    const { assert!(L::BLOCKS * (TURN + 1) <= Key::<L>::POWERS, "a power of H for each block of the rest") }
    let (width, mut data) = (span::<L>(1), data);
    // SAFETY: the caller's contract is that of `Lanes`; a vector is read up to the end of the data. After the
    // turns, at most TURN + 1 vectors are left, and at least as many blocks as a vector has.
    unsafe {
        let mut y = L::lift(y);
        while data.len() > span::<L>(TURN + 1) {
            let turn = Ciphertext::<L, TURN>::at(data.as_ptr(), y);
            let mut sum = L::no_product();
            each!(PAIR < TURN / 2, { turn.multiply(key, &mut sum, 2 * PAIR, 0) });
            y = L::carry(&sum);
            data = &data[span::<L>(TURN)..];
        }
        let (blocks, mut sum) = (data.len().div_ceil(16), L::no_product());
        for (i, vector) in data.chunks(width).enumerate() {
            let mut x = L::elements(L::load_part(vector.as_ptr(), 0, vector.len()));
            if i == 0 {
                x = L::add(x, y);
            }
            L::multiply(&mut sum, x, key.powers(blocks - i * L::BLOCKS));
        }
        L::reduce(&sum)
    }
}
