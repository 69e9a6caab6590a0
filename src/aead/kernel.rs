//! AES-GCM over lanes: the bulk loop, the groups after it, and the last pass that ends every message.
//!
//! SP 800-38D: GCTR is 6.5, GHASH 6.4, the whole 7.1 and 7.2. In a [`step`] vectors of counter blocks go through AES
//! while vectors of ciphertext are multiplied by powers of H. The last pass takes J0 and the rest of the message as
//! one run of blocks, so that a short message is one trip through AES and one reduction.

use core::mem::MaybeUninit;

use zeroize::optimization_barrier;

use super::Tag;
use super::key::Key;
use super::lanes::{Edge, Lanes};

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

/// `$body` written out for each `$i` below `$n`, which is a constant of at most 16.
///
/// A loop over an array of vectors would stay a loop in a build for size, and the vectors in memory: measured at
/// 2 to 6 times the time.
macro_rules! each {
    ($i:ident < $n:expr, $body:block) => {{
        const { assert!($n <= 16, "as many as are written out below") }
        each!(@ $i, $n, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    }};
    (@ $i:ident, $n:expr, $body:block, $($k:literal)+) => {
        $({
            const $i: usize = $k;
            if $i < $n $body
        })+
    };
}
pub(super) use each;

/// Seals (`SEAL`) or opens, and writes the tag that belongs to the ciphertext.
///
/// # Safety
/// As [`Lanes`]; `key` has `ROUNDS` rounds.
#[inline(always)]
pub(super) unsafe fn crypt<L: Edge, const ROUNDS: usize, const SEAL: bool>(
    key: &Key<L>,
    j0: u128,
    aad: &[u8],
    in_out: &mut [u8],
    tag: &mut Tag,
) {
    const { assert!(L::BLOCKS * L::LAST < Key::<L>::POWERS, "a power of H for each block of the last pass") }
    let number = number_in(j0);
    // SAFETY: this function's contract is that of `Lanes`.
    unsafe {
        let lengths = L::hash(lengths(aad.len(), in_out.len()));
        if aad.len() <= 16 && in_out.len() <= span::<L>(L::LAST) - 16 {
            let mut counter = counter::<L>(j0, number);
            let first = L::count(&mut counter);
            let last = Last { key, first, counter, before: L::element(aad), sum: L::no_product() };
            last.pass::<ROUNDS, SEAL>(in_out, lengths, tag);
        } else {
            let mut sum = L::no_product();
            let done = L::long::<ROUNDS, SEAL>(key, j0, aad, in_out, &mut sum);
            let mut counter = counter::<L>(j0, number.wrapping_add((done / 16) as u32));
            let first = L::replace_first(L::count(&mut counter), j0);
            let last = Last { key, first, counter, before: L::hash(0), sum };
            last.pass::<ROUNDS, SEAL>(&mut in_out[done..], lengths, tag);
        }
    }
}

/// The number of a counter block.
#[inline(always)]
fn number_in(block: u128) -> u32 {
    ((block >> 96) as u32).swap_bytes()
}

/// The counter blocks that follow J0, from a number on.
#[inline(always)]
unsafe fn counter<L: Lanes>(j0: u128, number: u32) -> L::Counter {
    let fixed = j0 & (u128::MAX >> 32);
    // SAFETY: the caller's contract is that of `Lanes`.
    unsafe { L::counter(fixed | u128::from(number.swap_bytes()) << 96) }
}

/// The last pass of a message: what it takes besides the bytes.
struct Last<'a, L: Lanes> {
    key: &'a Key<L>,
    /// J0 and the counter blocks after it,
    first: L::Vector,
    /// and those after them.
    counter: L::Counter,
    /// The block of AAD that precedes the message, or 0.
    before: L::Hash,
    /// Products that are not reduced yet.
    sum: L::Product,
}

impl<L: Lanes> Last<'_, L> {
    /// Takes J0, the rest of the message and the lengths through AES and GHASH, and writes the tag.
    #[inline(always)]
    unsafe fn pass<const ROUNDS: usize, const SEAL: bool>(
        &self,
        rest: &mut [u8],
        lengths: L::Hash,
        tag: &mut Tag,
    ) {
        let width = span::<L>(1);
        let vectors = (16 + rest.len()).div_ceil(width);
        // The first block is J0's, the message is in the next ones; of the last vector these bytes are message.
        let base = rest.as_mut_ptr().wrapping_sub(16);
        let end = base.wrapping_add((vectors - 1) * width);
        let part = (if vectors == 1 { 16 } else { 0 }, 16 + rest.len() - (vectors - 1) * width);
        let blocks = rest.len().div_ceil(16);
        macro_rules! as_many {
            ($data:ident, $sum:ident, $($n:literal)+) => {
                match vectors {
                    $($n if $n <= L::LAST => {
                        self.vectors::<$n, ROUNDS, SEAL>($sum, base, $data, part, blocks, tag)
                    },)+
                    _ => unreachable!("the caller leaves no more than LAST vectors"),
                }
            };
        }
        // SAFETY: the caller's contract is that of `Lanes`; `part` is inside `rest`; the match is on the number of
        // vectors.
        unsafe {
            let data = L::load_part(end, part.0, part.1);
            let sum = L::multiply_one(self.sum, lengths, self.key.powers(1));
            let out = as_many!(data, sum, 1 2 3 4 5 6 7 8);
            L::store_part(end, part.0, part.1, out);
        }
    }

    /// [`pass`](Self::pass) with `V` vectors at `base`, of which `data` is the last and to be stored by the caller.
    #[inline(always)]
    unsafe fn vectors<const V: usize, const ROUNDS: usize, const SEAL: bool>(
        &self,
        mut sum: L::Product,
        base: *mut u8,
        data: L::Vector,
        part: (usize, usize),
        blocks: usize,
        tag: &mut Tag,
    ) -> L::Vector {
        let key = self.key;
        let keys = key.round::<ROUNDS>();
        let width = span::<L>(1);
        let starts = |i: usize| if i == 0 { 16 } else { 0 };
        // SAFETY: the caller's contract is that of `Lanes`: all vectors at `base` but the last are whole, the first
        // from its second block on; the powers asked for are between 1 and `blocks` + 2, at most POWERS.
        unsafe {
            let mut counter = self.counter;
            let mut states = [L::whiten(self.first, &keys[0]); V];
            let mut all = [data; V];
            each!(I < V, {
                if I != 0 {
                    states[I] = L::whiten(L::count(&mut counter), &keys[0]);
                }
                if I < V - 1 {
                    all[I] = L::load_part(base.wrapping_add(I * width), starts(I), width);
                }
            });
            if !SEAL {
                each!(I < V, {
                    let mut x = L::elements(all[I]);
                    if I == 0 {
                        x = L::add_first(x, self.before);
                    }
                    sum = L::multiply(sum, x, key.powers(blocks + 2 - I * L::BLOCKS));
                });
            }
            crypt_rounds::<L, V, ROUNDS, 0>(&mut states, keys);
            let (mut mask, mut last) = (data, data);
            each!(I < V, {
                let out = L::finish(states[I], &keys[ROUNDS], all[I]);
                let mut kept = out;
                if I == V - 1 {
                    last = out;
                    kept = L::keep(out, part.0, part.1);
                } else {
                    L::store_part(base.wrapping_add(I * width), starts(I), width, out);
                    if I == 0 {
                        kept = L::keep(out, 16, width);
                    }
                }
                if I == 0 {
                    mask = out;
                }
                if SEAL {
                    let mut x = L::elements(kept);
                    if I == 0 {
                        x = L::add_first(x, self.before);
                    }
                    sum = L::multiply(sum, x, key.powers(blocks + 2 - I * L::BLOCKS));
                }
            });
            L::tag(tag, L::reduce(sum), mask);
            last
        }
    }
}

/// Takes a message up to its last pass: any AAD, and of the message what that pass has no room for. Returns the bytes
/// that it took; `into` is then what the last pass adds to.
///
/// First the bulk: turns of `N` vectors, one reduction for each. Then groups of `G`, whose products and those of the
/// last pass share one reduction. A seal hashes one turn behind, an open what it is about to decrypt.
///
/// # Safety
/// As [`Lanes`]; the key has `ROUNDS` rounds.
#[inline(always)]
pub(super) unsafe fn long<L: Lanes, const N: usize, const G: usize, const ROUNDS: usize, const SEAL: bool>(
    key: &Key<L>,
    j0: u128,
    aad: &[u8],
    in_out: &mut [u8],
    into: &mut L::Product,
) -> usize {
    const {
        assert!(L::BLOCKS * (N + G) + 2 <= Key::<L>::POWERS, "behind the bulk there is a group");
        assert!(
            G < L::LAST && G.is_multiple_of(2) && N.is_multiple_of(2),
            "a group fits, and vectors are hashed in pairs"
        );
    }
    let (wide, narrow) = (span::<L>(N), span::<L>(G));
    let total = in_out.len();
    let turns = (total.div_ceil(16) + 2).saturating_sub(Key::<L>::POWERS).div_ceil(L::BLOCKS * N);
    let at = in_out.as_mut_ptr();
    // Bytes that went through AES, and blocks that the last sum has yet to take.
    let mut done = turns * wide;
    let mut left = (total - done).div_ceil(16);
    // SAFETY: the caller's contract is that of `Lanes`. Behind the bulk are at most POWERS - 2 blocks and more than
    // a group: POWERS is at least the blocks of N + G vectors and 2. So every span below is inside `in_out`.
    unsafe {
        // One block of AAD stays as it is: a block before the message's, with the power that belongs there.
        let (mut y, mut before) = (L::element(&aad[..aad.len().min(16)]), 1);
        if aad.len() > 16 {
            y = L::hash(0);
            absorb::<L>(key, &mut y, aad);
            before = 0;
        } else if turns > 0 {
            y = L::reduce(L::multiply_one(L::no_product(), y, key.powers(1)));
            before = 0;
        }
        let mut counter = counter::<L>(j0, number_in(j0).wrapping_add(1 + (done / 16) as u32));
        let behind = SEAL && total >= narrow;
        if turns > 0 {
            y = if L::REMEMBERS && turns >= 2 * Table::<L>::turns(N) && number_in(j0) == 1 {
                bulk::<L, N, ROUNDS, SEAL, true>(key, j0, y, at, turns)
            } else {
                bulk::<L, N, ROUNDS, SEAL, false>(key, j0, y, at, turns)
            };
            if SEAL {
                let (from, to) = (at.add(done - wide), at.add(done));
                let states = whitened::<L, G>(&mut counter, &key.round::<ROUNDS>()[0]);
                let sum =
                    step::<L, G, N, ROUNDS, 0>(key, states, L::no_product(), y, L::BLOCKS * N, from, to);
                y = L::reduce(sum);
            }
        } else if behind {
            let states = whitened::<L, G>(&mut counter, &key.round::<ROUNDS>()[0]);
            encrypt::<L, G, ROUNDS, 0>(key, states, at);
        }
        let mut sum = L::multiply_one(L::no_product(), y, key.powers(left + 1 + before));
        if behind {
            done += narrow;
        }
        while total - done >= narrow {
            let to = at.add(done);
            let from = if SEAL { to.sub(narrow) } else { to };
            let states = whitened::<L, G>(&mut counter, &key.round::<ROUNDS>()[0]);
            sum = step::<L, G, G, ROUNDS, 0>(key, states, sum, L::hash(0), left + 1, from, to);
            done += narrow;
            left -= L::BLOCKS * G;
        }
        if behind {
            sum = hash::<L, G>(key, sum, L::hash(0), left + 1, at.add(done - narrow));
        }
        *into = sum;
    }
    done
}

/// The bulk: `turns` turns of `N` vectors at `at`. A seal leaves the last turn's ciphertext to be hashed.
#[inline(always)]
unsafe fn bulk<L: Lanes, const N: usize, const ROUNDS: usize, const SEAL: bool, const REMEMBER: bool>(
    key: &Key<L>,
    j0: u128,
    mut y: L::Hash,
    at: *mut u8,
    turns: usize,
) -> L::Hash {
    let wide = span::<L>(N);
    let mut table = Table::<L>::new();
    // SAFETY: the caller's contract is that of `Lanes`, with `turns` turns at `at`.
    unsafe {
        let mut counter = counter::<L>(j0, number_in(j0).wrapping_add(1));
        for turn in 0..turns {
            let to = at.add(turn * wide);
            let from = if SEAL { to.wrapping_sub(wide) } else { to };
            let (sum, n) = (L::no_product(), L::BLOCKS * N);
            if REMEMBER {
                let states = table.states::<N, ROUNDS>(key, j0, &mut counter, turn);
                if SEAL && turn == 0 {
                    encrypt::<L, N, ROUNDS, 2>(key, states, to);
                } else {
                    y = L::reduce(step::<L, N, N, ROUNDS, 2>(key, states, sum, y, n, from, to));
                }
            } else {
                let states = whitened::<L, N>(&mut counter, &key.round::<ROUNDS>()[0]);
                if SEAL && turn == 0 {
                    encrypt::<L, N, ROUNDS, 0>(key, states, to);
                } else {
                    y = L::reduce(step::<L, N, N, ROUNDS, 0>(key, states, sum, y, n, from, to));
                }
            }
        }
        if REMEMBER {
            table.wipe();
        }
    }
    y
}

/// Counter blocks, entered into AES.
#[inline(always)]
unsafe fn whitened<L: Lanes, const A: usize>(counter: &mut L::Counter, first: &L::RoundKey) -> [L::State; A] {
    // SAFETY: the caller's contract is that of `Lanes`.
    unsafe {
        let mut states = [L::whiten(L::count(counter), first); A];
        each!(I < A, {
            if I != 0 {
                states[I] = L::whiten(L::count(counter), first);
            }
        });
        states
    }
}

/// What two rounds of AES make of a message's counter blocks.
///
/// The last byte of the number meets the others but through the linear layer of round 2: the state after it is
/// the sum of a part that depends on that byte and a part that depends on the rest of the number. The first 256
/// blocks are remembered here; of each further 256, one vector tells what to add to all. The place of an entry is
/// public; its content is a secret, and is wiped.
pub(super) struct Table<L: Lanes> {
    entries: [MaybeUninit<L::State>; 256],
    /// What to add in this period, and to those of its blocks whose number has carried.
    delta: MaybeUninit<[L::State; 2]>,
}

impl<L: Lanes> Table<L> {
    /// Turns of `n` vectors in a period of 256 blocks.
    const fn turns(n: usize) -> usize {
        256 / (L::BLOCKS * n)
    }

    #[inline(always)]
    fn new() -> Self {
        Self { entries: [const { MaybeUninit::uninit() }; 256], delta: MaybeUninit::uninit() }
    }

    /// The states of this turn's counter blocks after two rounds. Counting began with the number 2.
    #[inline(always)]
    unsafe fn states<const N: usize, const ROUNDS: usize>(
        &mut self,
        key: &Key<L>,
        j0: u128,
        counter: &mut L::Counter,
        turn: usize,
    ) -> [L::State; N] {
        const { assert!(256 % (L::BLOCKS * N) == 0, "a period is whole turns") }
        let keys = key.round::<ROUNDS>();
        let (period, turn) = (turn / Self::turns(N), turn % Self::turns(N));
        // SAFETY: the caller's contract is that of `Lanes`. A period has 256 / BLOCKS vectors, all of which were
        // written in the first; `delta` is written when another begins.
        unsafe {
            if period == 0 {
                let mut states = whitened::<L, N>(counter, &keys[0]);
                each!(I < N, {
                    states[I] = L::round(L::round(states[I], &keys[1]), &keys[2]);
                    self.entries.get_unchecked_mut(turn * N + I).write(states[I]);
                });
                return states;
            }
            if turn == 0 {
                let vectors = 256 / L::BLOCKS;
                let mut delta =
                    [self.entries[0].assume_init_read(), self.entries[vectors - 1].assume_init_read()];
                let numbers = [2 + 256 * period, 2 + 256 * (period + 1) - L::BLOCKS];
                for (delta, number) in delta.iter_mut().zip(numbers) {
                    let blocks = L::count(&mut self::counter::<L>(j0, number as u32));
                    let state = L::round(L::round(L::whiten(blocks, &keys[0]), &keys[1]), &keys[2]);
                    *delta = L::add_states(*delta, state);
                }
                self.delta.write(delta);
            }
            let [delta, carried] = self.delta.assume_init();
            let end = if turn == Self::turns(N) - 1 { carried } else { delta };
            let mut states = [delta; N];
            each!(I < N, {
                let add = if (N - I) * L::BLOCKS <= L::BLOCKS + 1 { end } else { delta };
                states[I] = L::add_states(self.entries.get_unchecked(turn * N + I).assume_init_read(), add);
            });
            states
        }
    }

    /// Overwrites what was remembered.
    #[inline(always)]
    fn wipe(&mut self) {
        // SAFETY: the entries in use are owned here, and any bytes do for what may be uninitialised.
        unsafe { self.entries.as_mut_ptr().write_bytes(0, 256 / L::BLOCKS) };
        self.delta = MaybeUninit::zeroed();
        optimization_barrier(self);
    }
}

/// Takes `A` states from after round `DONE` through AES, and adds them to what is at `at`, while hashing `H` vectors
/// at `ciphertext`, after `y` has been added to the first of them; its first block meets the power `n`.
#[inline(always)]
unsafe fn step<L: Lanes, const A: usize, const H: usize, const ROUNDS: usize, const DONE: usize>(
    key: &Key<L>,
    mut states: [L::State; A],
    mut sum: L::Product,
    y: L::Hash,
    n: usize,
    ciphertext: *const u8,
    at: *mut u8,
) -> L::Product {
    let width = span::<L>(1);
    let keys = key.round::<ROUNDS>();
    let powers = key.powers(n);
    // SAFETY: the caller's contract is that of `Lanes`, with as many vectors at both pointers, and with powers for
    // those that are hashed.
    unsafe {
        if const { !L::BY_ROUNDS } {
            sum = hash::<L, H>(key, sum, y, n, ciphertext);
            encrypt::<L, A, ROUNDS, DONE>(key, states, at);
            return sum;
        }
        rounds!(R, {
            if R > DONE {
                each!(I < A, { states[I] = L::round(states[I], &keys[R]) });
                // This round's share of the products; the pair that waits for `y` comes last.
                let share = |rounds: usize| rounds * (H / 2) / (ROUNDS - 1 - DONE);
                each!(PAIR < H / 2, {
                    if (share(R - 1 - DONE)..share(R - DONE)).contains(&PAIR) {
                        let i = 2 * (PAIR + 1) % H;
                        let mut first = L::elements(L::load(ciphertext.add(width * i)));
                        if i == 0 {
                            first = L::add_first(first, y);
                        }
                        let second = L::elements(L::load(ciphertext.add(width * (i + 1))));
                        sum = L::multiply_two(sum, [first, second], powers.add(L::BLOCKS * i));
                    }
                });
                each!(I < A, { L::fence(&mut states[I], &mut sum) });
            }
        });
        each!(I < A, {
            let to = at.add(width * I);
            L::store(to, L::finish(states[I], &keys[ROUNDS], L::load(to)));
        });
    }
    sum
}

/// Rounds `DONE` + 1 to `ROUNDS` - 1 of every state.
#[inline(always)]
pub(super) unsafe fn crypt_rounds<L: Lanes, const V: usize, const ROUNDS: usize, const DONE: usize>(
    states: &mut [L::State; V],
    keys: &[L::RoundKey],
) {
    if const { !L::BY_ROUNDS } {
        // SAFETY: the caller's contract is that of `Lanes`.
        return unsafe { L::all_rounds::<V, ROUNDS>(states, keys) };
    }
    rounds!(R, {
        if R > DONE {
            each!(I < V, {
                // SAFETY: the caller's contract is that of `Lanes`.
                states[I] = unsafe { L::round(states[I], &keys[R]) };
            });
        }
    });
}

/// Takes `A` states from after round `DONE` through AES, and adds them to what is at `at`.
#[inline(always)]
unsafe fn encrypt<L: Lanes, const A: usize, const ROUNDS: usize, const DONE: usize>(
    key: &Key<L>,
    mut states: [L::State; A],
    at: *mut u8,
) {
    let keys = key.round::<ROUNDS>();
    // SAFETY: the caller's contract is that of `Lanes`, with as many vectors at `at`.
    unsafe {
        crypt_rounds::<L, A, ROUNDS, DONE>(&mut states, keys);
        each!(I < A, {
            let to = at.add(span::<L>(I));
            L::store(to, L::finish(states[I], &keys[ROUNDS], L::load(to)));
        });
    }
}

/// Hashes `H` vectors after `y` has been added to the first; its first block meets the power `n`.
#[inline(always)]
unsafe fn hash<L: Lanes, const H: usize>(
    key: &Key<L>,
    mut sum: L::Product,
    y: L::Hash,
    n: usize,
    at: *const u8,
) -> L::Product {
    // SAFETY: the caller's contract is that of `Lanes`, with as many vectors at `at` and powers for them.
    unsafe {
        each!(PAIR < H / 2, {
            let mut first = L::elements(L::load(at.add(span::<L>(2 * PAIR))));
            if PAIR == 0 {
                first = L::add_first(first, y);
            }
            let second = L::elements(L::load(at.add(span::<L>(2 * PAIR + 1))));
            sum = L::multiply_two(sum, [first, second], key.powers(n - L::BLOCKS * 2 * PAIR));
        });
    }
    sum
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
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let half = |at: usize| u64::from(u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")));
    match len {
        16.. => u128::from(word(0)) | u128::from(word(8)) << 64,
        // Shifted in two steps, since a word cannot be shifted by 64.
        8..16 => u128::from(word(0)) | u128::from(word(len - 8) >> 1 >> (63 - 8 * (len - 8))) << 64,
        4..8 => u128::from(half(0) | half(len - 4) << (8 * (len - 4))),
        _ => u128::from(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))),
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
