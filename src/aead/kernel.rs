//! AES-GCM over lanes: the bulk loop, the groups after it, and the last pass that ends every message.
//!
//! SP 800-38D: GCTR is 6.5, GHASH 6.4, the whole 7.1 and 7.2. In the bulk loop `N` vectors of counter blocks go
//! through AES while as many vectors of ciphertext are multiplied by powers of H, with one reduction for them
//! all: a seal hashes what the turn before wrote, an open what it is about to decrypt. The last pass takes J0 and
//! the rest of the message as one run of blocks, so that a short message is one trip through AES and one
//! reduction.

use super::Tag;
use super::key::Key;
use super::lanes::Lanes;

/// Bytes in `n` vectors.
const fn span<L: Lanes>(n: usize) -> usize {
    16 * L::BLOCKS * n
}

/// The first counter block of a 96-bit nonce (SP 800-38D, 7.1, step 2), as a little-endian integer.
#[inline(always)]
pub(super) fn j0_of_nonce(nonce: &[u8; 12]) -> u128 {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *nonce;
    let low = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let high = u32::from_le_bytes([i, j, k, l]);
    u128::from(low) | u128::from(high) << 64 | 1 << 120
}

/// The first counter block of any other IV: GHASH of it and its length.
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
pub(super) unsafe fn j0_of_iv<L: Lanes>(key: &Key<L>, iv: &[u8]) -> u128 {
    // SAFETY: this function's contract is that of `Lanes`.
    unsafe {
        let mut y = L::hash(0);
        absorb::<L>(key, &mut y, iv);
        absorb::<L>(key, &mut y, &lengths(0, iv.len()).to_be_bytes());
        L::coefficients(y).swap_bytes()
    }
}

/// The block of the two lengths, in bits, as a field element.
#[inline(always)]
fn lengths(aad: usize, message: usize) -> u128 {
    u128::from(aad as u64 * 8) << 64 | u128::from(message as u64 * 8)
}

/// Rounds 1 to 13 written out, with `$round` a constant in `$body`; those a key lacks fold away.
macro_rules! rounds {
    ($round:ident, $body:block) => {
        rounds!(@ $round, $body, 1 2 3 4 5 6 7 8 9 10 11 12 13)
    };
    (@ $round:ident, $body:block, $($n:literal)+) => {
        $({
            const $round: usize = $n;
            if $round < ROUNDS $body
        })+
    };
}

/// Seals (`SEAL`) or opens with `N` vectors in flight, and writes the tag that belongs to the ciphertext.
///
/// # Safety
/// As [`Lanes`]; `key` has `ROUNDS` rounds.
#[inline(always)]
pub(super) unsafe fn crypt<L: Lanes, const N: usize, const ROUNDS: usize, const SEAL: bool>(
    key: &Key<L>,
    j0: u128,
    aad: &[u8],
    in_out: &mut [u8],
    tag: &mut Tag,
) {
    const {
        assert!(L::BLOCKS * N <= Key::<L>::POWERS, "a power of H for each block in flight");
        assert!(L::BLOCKS * L::LAST < Key::<L>::POWERS, "a power of H for each block of the last pass");
    }
    // SAFETY: this function's contract is that of `Lanes`; the slices split below have the length asked for.
    unsafe {
        let lengths = lengths(aad.len(), in_out.len());
        let mut last =
            Last { key, j0, number: ((j0 >> 96) as u32).swap_bytes(), lengths, y: L::hash(0), behind: 1 };
        if aad.len() <= 16 {
            // One block of AAD stays as it is: a block before the message's, with the power that belongs there.
            last.y = L::hash(short_block(aad).swap_bytes());
            last.behind = 2;
        } else {
            absorb::<L>(key, &mut last.y, aad);
        }
        if in_out.len() <= span::<L>(L::LAST) - 16 {
            return last.pass::<ROUNDS, SEAL>(in_out, tag);
        }
        crypt_long::<L, N, ROUNDS, SEAL>(last, in_out, tag);
    }
}

/// What the end of a message needs to know of what came before.
struct Last<'a, L: Lanes> {
    key: &'a Key<L>,
    j0: u128,
    /// The number of the counter block used last.
    number: u32,
    lengths: u128,
    /// The hash so far, or a block still to be hashed,
    y: L::Hash,
    /// and accordingly the power of H that it is behind a message of no blocks: 1 or 2.
    behind: usize,
}

impl<L: Lanes> Last<'_, L> {
    /// Counter blocks from `number` on.
    #[inline(always)]
    unsafe fn counter(&self, number: u32) -> L::Counter {
        let fixed = self.j0 & (u128::MAX >> 32);
        // SAFETY: the caller's contract is that of `Lanes`.
        unsafe { L::counter(fixed | u128::from(number.swap_bytes()) << 96) }
    }

    /// Brings the AAD's block, if one is pending, into the hash.
    #[inline(always)]
    unsafe fn settle(&mut self) {
        if self.behind == 2 {
            // SAFETY: the caller's contract is that of `Lanes`.
            self.y = unsafe { L::reduce(L::multiply_one(L::no_product(), self.y, self.key.powers(1))) };
            self.behind = 1;
        }
    }

    /// Takes J0, the rest of the message and the lengths through AES and GHASH, and writes the tag.
    #[inline(always)]
    unsafe fn pass<const ROUNDS: usize, const SEAL: bool>(&self, rest: &mut [u8], tag: &mut Tag) {
        macro_rules! as_many {
            ($vectors:expr, $($n:literal)+) => {
                match $vectors {
                    // SAFETY: the caller's contract is that of `Lanes`; the match is on the number of vectors.
                    $($n if $n <= L::LAST => unsafe { self.vectors::<$n, ROUNDS, SEAL>(rest, tag) },)+
                    _ => unreachable!("the caller leaves no more than LAST vectors"),
                }
            };
        }
        let vectors = (1 + rest.len().div_ceil(16)).div_ceil(L::BLOCKS);
        as_many!(vectors, 1 2 3 4 5 6 7 8);
    }

    /// [`pass`](Self::pass) with `V` vectors: the first block is J0, the message is in the next ones.
    #[inline(always)]
    unsafe fn vectors<const V: usize, const ROUNDS: usize, const SEAL: bool>(
        &self,
        rest: &mut [u8],
        tag: &mut Tag,
    ) {
        let key = self.key;
        let keys = key.round::<ROUNDS>();
        let width = span::<L>(1);
        let blocks = rest.len().div_ceil(16);
        let tail = 16 + rest.len() - (V - 1) * width;
        let base = rest.as_mut_ptr().wrapping_sub(16);
        // Of vector `i` these bytes are message: not J0's place, not what is past the end.
        let bounds = |i: usize| (if i == 0 { 16 } else { 0 }, if i == V - 1 { tail } else { width });
        // SAFETY: the caller's contract is that of `Lanes`; `bounds` keeps every access inside `rest`; the powers
        // asked for are between 2 and `blocks` + 2, which is at most POWERS.
        unsafe {
            let mut counter = self.counter(self.number);
            let first = L::replace_first(L::count(&mut counter), self.j0);
            let mut states = [L::whiten(first, &keys[0]); V];
            for state in &mut states[1..] {
                *state = L::whiten(L::count(&mut counter), &keys[0]);
            }
            let mut data = [L::load_part(base, bounds(0).0, bounds(0).1); V];
            for (i, data) in data.iter_mut().enumerate().skip(1) {
                *data = L::load_part(base.wrapping_add(i * width), bounds(i).0, bounds(i).1);
            }

            let mut sum = L::multiply_one(L::no_product(), self.y, key.powers(blocks + self.behind));
            sum = L::multiply_one(sum, L::hash(self.lengths), key.powers(1));
            if !SEAL {
                for (i, data) in data.iter().enumerate() {
                    sum = L::multiply(sum, L::elements(*data), key.powers(blocks + 2 - i * L::BLOCKS));
                }
            }
            crypt_rounds::<L, V, ROUNDS>(&mut states, keys);
            let mut mask = data[0];
            for (i, (state, data)) in states.into_iter().zip(data).enumerate() {
                let out = L::finish(state, &keys[ROUNDS], data);
                if i == 0 {
                    mask = out;
                }
                let (start, end) = bounds(i);
                L::store_part(base.wrapping_add(i * width), start, end, out);
                if SEAL {
                    let x = if i == 0 || i == V - 1 { L::keep(out, start, end) } else { out };
                    sum = L::multiply(sum, L::elements(x), key.powers(blocks + 2 - i * L::BLOCKS));
                }
            }
            L::tag(tag, L::reduce(sum), mask);
        }
    }
}

/// A message too long for one pass: bulk, groups, last pass.
#[inline(always)]
unsafe fn crypt_long<L: Lanes, const N: usize, const ROUNDS: usize, const SEAL: bool>(
    mut last: Last<'_, L>,
    in_out: &mut [u8],
    tag: &mut Tag,
) {
    // SAFETY: the caller's contract is that of `Lanes`.
    unsafe {
        last.settle();
        let rest = bulk::<L, N, ROUNDS, SEAL>(&mut last, in_out);
        let rest = match L::LAST {
            8 => groups::<L, 4, ROUNDS, SEAL>(&mut last, rest),
            4 => groups::<L, 2, ROUNDS, SEAL>(&mut last, rest),
            _ => groups::<L, 1, ROUNDS, SEAL>(&mut last, rest),
        };
        last.pass::<ROUNDS, SEAL>(rest, tag);
    }
}

/// The longest part of `in_out` that fills all vectors in flight; returns what is left.
#[inline(always)]
unsafe fn bulk<'m, L: Lanes, const N: usize, const ROUNDS: usize, const SEAL: bool>(
    last: &mut Last<'_, L>,
    in_out: &'m mut [u8],
) -> &'m mut [u8] {
    let span = span::<L>(N);
    let turns = in_out.len() / span;
    let (whole, rest) = in_out.split_at_mut(turns * span);
    if turns == 0 {
        return rest;
    }
    let at = whole.as_mut_ptr();
    // SAFETY: the caller's contract is that of `Lanes`; `at` is valid for `turns * span` bytes, and every pointer
    // below stays a span or more before its end.
    unsafe {
        let mut counter = last.counter(last.number.wrapping_add(1));
        if SEAL {
            encrypt::<L, N, ROUNDS>(last.key, &mut counter, at);
            for turn in 1..turns {
                let at = at.add(turn * span);
                last.y = turn_of_bulk::<L, N, ROUNDS>(last.key, &mut counter, last.y, at.sub(span), at);
            }
            last.y = hash::<L, N>(last.key, last.y, at.add((turns - 1) * span));
        } else {
            for turn in 0..turns {
                let at = at.add(turn * span);
                last.y = turn_of_bulk::<L, N, ROUNDS>(last.key, &mut counter, last.y, at, at);
            }
        }
    }
    last.number = last.number.wrapping_add((whole.len() / 16) as u32);
    rest
}

/// Adds key stream at `at` while hashing the ciphertext at `ciphertext`.
#[inline(always)]
unsafe fn turn_of_bulk<L: Lanes, const N: usize, const ROUNDS: usize>(
    key: &Key<L>,
    counter: &mut L::Counter,
    y: L::Hash,
    ciphertext: *const u8,
    at: *mut u8,
) -> L::Hash {
    let width = span::<L>(1);
    let keys = key.round::<ROUNDS>();
    // SAFETY: the caller's contract is that of `Lanes`, with a span of bytes at both pointers.
    unsafe {
        let mut states = [L::whiten(L::count(counter), &keys[0]); N];
        for state in &mut states[1..] {
            *state = L::whiten(L::count(counter), &keys[0]);
        }
        let mut sum = L::no_product();
        rounds!(R, {
            for state in &mut states {
                *state = L::round(*state, &keys[R]);
            }
            // This round's share of the products; the one that waits for `y` comes last.
            let mut n = (R - 1) * N / (ROUNDS - 1);
            while n < R * N / (ROUNDS - 1) {
                let i = (n + 1) % N;
                let mut x = L::elements(L::load(ciphertext.add(width * i)));
                if i == 0 {
                    x = L::add_first(x, y);
                }
                sum = L::multiply(sum, x, key.powers(L::BLOCKS * (N - i)));
                n += 1;
            }
            for state in &mut states {
                L::fence(state, &mut sum);
            }
        });
        for (i, state) in states.into_iter().enumerate() {
            let to = at.add(width * i);
            L::store(to, L::finish(state, &keys[ROUNDS], L::load(to)));
        }
        L::reduce(sum)
    }
}

/// Rounds 1 to `ROUNDS` - 1 of every state.
#[inline(always)]
pub(super) unsafe fn crypt_rounds<L: Lanes, const V: usize, const ROUNDS: usize>(
    states: &mut [L::State; V],
    keys: &[L::RoundKey],
) {
    rounds!(R, {
        for state in states.iter_mut() {
            // SAFETY: the caller's contract is that of `Lanes`.
            *state = unsafe { L::round(*state, &keys[R]) };
        }
    });
}

/// Adds key stream to `N` vectors.
#[inline(always)]
unsafe fn encrypt<L: Lanes, const N: usize, const ROUNDS: usize>(
    key: &Key<L>,
    counter: &mut L::Counter,
    at: *mut u8,
) {
    let keys = key.round::<ROUNDS>();
    // SAFETY: the caller's contract is that of `Lanes`, with a span of bytes at `at`.
    unsafe {
        let mut states = [L::whiten(L::count(counter), &keys[0]); N];
        for state in &mut states[1..] {
            *state = L::whiten(L::count(counter), &keys[0]);
        }
        crypt_rounds::<L, N, ROUNDS>(&mut states, keys);
        for (i, state) in states.into_iter().enumerate() {
            let to = at.add(span::<L>(i));
            L::store(to, L::finish(state, &keys[ROUNDS], L::load(to)));
        }
    }
}

/// Hashes `N` vectors with one reduction.
#[inline(always)]
unsafe fn hash<L: Lanes, const N: usize>(key: &Key<L>, y: L::Hash, at: *const u8) -> L::Hash {
    // SAFETY: the caller's contract is that of `Lanes`, with a span of bytes at `at`.
    unsafe {
        let mut sum = L::no_product();
        for i in 0..N {
            let mut x = L::elements(L::load(at.add(span::<L>(i))));
            if i == 0 {
                x = L::add_first(x, y);
            }
            sum = L::multiply(sum, x, key.powers(L::BLOCKS * (N - i)));
        }
        L::reduce(sum)
    }
}

/// Groups of `N` vectors until a last pass can take the rest; returns it.
#[inline(always)]
unsafe fn groups<'m, L: Lanes, const N: usize, const ROUNDS: usize, const SEAL: bool>(
    last: &mut Last<'_, L>,
    mut in_out: &'m mut [u8],
) -> &'m mut [u8] {
    // SAFETY: the caller's contract is that of `Lanes`; `group` is a span long.
    unsafe {
        let mut counter = last.counter(last.number.wrapping_add(1));
        while in_out.len() > span::<L>(L::LAST) - 16 {
            let (group, rest) = in_out.split_at_mut(span::<L>(N));
            if !SEAL {
                last.y = hash::<L, N>(last.key, last.y, group.as_ptr());
            }
            encrypt::<L, N, ROUNDS>(last.key, &mut counter, group.as_mut_ptr());
            if SEAL {
                last.y = hash::<L, N>(last.key, last.y, group.as_ptr());
            }
            last.number = last.number.wrapping_add((L::BLOCKS * N) as u32);
            in_out = rest;
        }
    }
    in_out
}

/// Hashes any number of bytes, padded with zeros to whole blocks, with a reduction for as many as there are powers.
#[inline(always)]
unsafe fn absorb<L: Lanes>(key: &Key<L>, y: &mut L::Hash, data: &[u8]) {
    let width = span::<L>(1);
    for piece in data.chunks(Key::<L>::POWERS / L::BLOCKS * width) {
        let blocks = piece.len().div_ceil(16);
        // SAFETY: the caller's contract is that of `Lanes`; a vector is read up to the end of the piece.
        unsafe {
            let mut sum = L::multiply_one(L::no_product(), *y, key.powers(blocks));
            for (i, vector) in piece.chunks(width).enumerate() {
                let x = L::elements(L::load_part(vector.as_ptr(), 0, vector.len()));
                sum = L::multiply(sum, x, key.powers(blocks - i * L::BLOCKS));
            }
            *y = L::reduce(sum);
        }
    }
}

/// Up to 16 bytes as a block, the rest zero, as a little-endian integer; without a call to copy them.
#[inline(always)]
pub(super) fn short_block(bytes: &[u8]) -> u128 {
    let len = bytes.len();
    let word = |at: usize| u128::from(u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes")));
    let half = |at: usize| u128::from(u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")));
    match len {
        16.. => word(0) | word(8) << 64,
        8..16 => word(0) | word(len - 8) << (8 * (len - 8)),
        4..8 => half(0) | half(len - 4) << (8 * (len - 4)),
        _ => bytes.iter().rev().fold(0, |value, byte| value << 8 | u128::from(*byte)),
    }
}

/// Writes the first bytes of a block, as many as there is room for, without a call to copy them.
#[inline(always)]
pub(super) fn store_short(to: &mut [u8], value: u128) {
    let len = to.len();
    match len {
        16.. => to[..16].copy_from_slice(&value.to_le_bytes()),
        8..16 => {
            to[..8].copy_from_slice(&(value as u64).to_le_bytes());
            to[len - 8..].copy_from_slice(&((value >> (8 * (len - 8))) as u64).to_le_bytes());
        }
        4..8 => {
            to[..4].copy_from_slice(&(value as u32).to_le_bytes());
            to[len - 4..].copy_from_slice(&((value >> (8 * (len - 4))) as u32).to_le_bytes());
        }
        _ => {
            for (i, byte) in to.iter_mut().enumerate() {
                *byte = (value >> (8 * i)) as u8;
            }
        }
    }
}
