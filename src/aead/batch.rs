//! Many short messages at once, in groups of as many as there are lanes.
//!
//! Messages of equal lengths share masks, lengths and powers of H. Up to 64 bytes or so, each takes a lane,
//! and a vector holds the same block of every message. Longer ones take their vectors for themselves, and
//! their sums are transposed: one reduction makes all tags.
//!
//! Short messages of different lengths take a lane each and are aligned at their ends, so that all lanes
//! multiply by the same power of H. A lane with a shorter message has blocks of no bytes before it. Long
//! messages, and those with more than one block of AAD, are processed one by one.

use super::block::lengths;
use super::edge::ManyLanes;
use super::interleave::{crypt_rounds, each, span, whitened};
use super::key::Key;
use super::lanes::{Lanes, MOST_LANES};
use super::{Error, Message, Tag, gcm};

/// The longest messages of different lengths that share the lanes.
const LONGEST_MIXED: usize = 48;

/// [`Edge::LONGEST_IN_GROUP`](super::edge::Edge::LONGEST_IN_GROUP).
pub(super) const fn longest<L: ManyLanes>() -> usize {
    let in_rows = span::<L>(L::ROW_VECTORS);
    if in_rows > L::LANE_BYTES { in_rows } else { L::LANE_BYTES }
}

/// [`Edge::groups`](super::edge::Edge::groups).
///
/// # Safety
/// As for [`Edge`](super::edge::Edge) and [`Lanes`]; `key` has `ROUNDS` rounds; an open has as many verdicts
/// as messages.
#[inline(always)]
pub(super) unsafe fn groups<L: ManyLanes, const ROUNDS: usize, const SEAL: bool>(
    key: &Key<L>,
    messages: &mut [Message<'_>],
    mut verdicts: &mut [Result<(), Error>],
) -> usize {
    let mut done = 0;
    for group in messages.chunks_mut(L::BLOCKS) {
        // Otherwise the compiler reads all round keys before the loop and writes them to the stack.
        let key = core::hint::black_box(key);
        let (len, aad) = (group[0].in_out.len(), group[0].aad.len());
        let (mut differ, mut longest, mut longest_aad) = (group.len() ^ L::BLOCKS, 0, 0);
        for m in &*group {
            differ |= m.in_out.len() ^ len | m.aad.len() ^ aad;
            longest = longest.max(m.in_out.len());
            longest_aad = longest_aad.max(m.aad.len());
        }
        let even = differ == 0 && len > 0 && aad <= 16;
        let mut tags = [Tag::default(); MOST_LANES];
        macro_rules! process {
            ($method:ident::<$even:literal>, $number:expr, $most:expr, $($n:literal, $states:literal;)+) => {{
                let group = Group::new::<$even, ROUNDS, SEAL>(key, group, &mut tags);
                match $number {
                    $($n if const { $n < $most + 1 } => group.$method::<$n, $states, ROUNDS, SEAL>(),)+
                    _ => core::hint::unreachable_unchecked(),
                }
            }};
        }
        // SAFETY: the caller's contract; the lengths and their number are those that each method asks for.
        unsafe {
            if even && len <= L::LANE_BYTES {
                let blocks = len.div_ceil(16);
                process!(
                    in_lanes::<true>, blocks, L::LANE_BYTES / 16,
                    1, 2; 2, 3; 3, 4; 4, 5; 5, 6; 6, 7; 7, 8; 8, 9;
                );
            } else if even && len <= span::<L>(L::ROW_VECTORS) {
                let vectors = len.div_ceil(span::<L>(1));
                process!(in_rows::<true>, vectors, L::ROW_VECTORS, 1, 2; 2, 4; 3, 6; 4, 8;);
            } else if L::MIXES && group.len() > 1 && longest_aad <= 16 && longest <= LONGEST_MIXED {
                process!(mixed::<false>, longest.div_ceil(16), LONGEST_MIXED / 16, 0, 1; 1, 2; 2, 3; 3, 4;);
            } else {
                return done;
            }
        }
        done += group.len();
        let of_group;
        (of_group, verdicts) = verdicts.split_at_mut(if SEAL { 0 } else { group.len() });
        for ((m, verdict), tag) in group.iter_mut().zip(of_group).zip(&tags) {
            // SAFETY: the caller's contract.
            let authentic = unsafe { L::is_tag(L::hash(u128::from_le_bytes(tag.0)), &m.tag.0) };
            *verdict = gcm::verdict(m.in_out, authentic);
        }
    }
    done
}

/// At most as many messages as there are lanes. The arrays and vectors have a place for each; those without a
/// message have length 0.
struct Group<'a, L: Lanes> {
    key: &'a Key<L>,
    data: [*mut u8; MOST_LANES],
    lens: [usize; MOST_LANES],
    /// The nonces with the first round key added.
    bases: L::State,
    /// The AADs as elements.
    aads: L::Vector,
    aad_lens: [usize; MOST_LANES],
    tags: [*mut u8; MOST_LANES],
}

impl<'a, L: ManyLanes> Group<'a, L> {
    /// A group, `EVEN` if it fills the lanes and all lengths are equal. `tags` has the places for the tags of
    /// an open, and of lanes without a message.
    ///
    /// # Safety
    /// As for [`groups`], with at most as many messages as lanes, and at most 16 bytes of AAD.
    #[inline(always)]
    unsafe fn new<const EVEN: bool, const ROUNDS: usize, const SEAL: bool>(
        key: &'a Key<L>,
        messages: &mut [Message<'_>],
        tags: &mut [Tag; MOST_LANES],
    ) -> Self {
        const NO_BYTES: [u8; 16] = [0; 16];
        let mut data = [NO_BYTES.as_ptr().cast_mut(); MOST_LANES];
        let (mut nonces, mut aads) = ([NO_BYTES.as_ptr(); MOST_LANES], [NO_BYTES.as_ptr(); MOST_LANES]);
        let (mut lens, mut aad_lens) = ([0; MOST_LANES], [0; MOST_LANES]);
        let mut tags = tags.each_mut().map(|tag| tag.0.as_mut_ptr());
        for (k, m) in messages.iter_mut().enumerate().take(L::BLOCKS) {
            (data[k], nonces[k], aads[k]) = (m.in_out.as_mut_ptr(), m.nonce.as_ptr(), m.aad.as_ptr());
            (lens[k], aad_lens[k]) = (m.in_out.len(), m.aad.len());
            if SEAL {
                tags[k] = m.tag.0.as_mut_ptr();
            }
        }
        if EVEN {
            // Tells the compiler that one mask serves all.
            (lens, aad_lens) = ([lens[0]; MOST_LANES], [aad_lens[0]; MOST_LANES]);
        }
        // SAFETY: the caller's contract is that of `Lanes`.
        unsafe {
            let bases = L::bases(&nonces, &key.round::<ROUNDS>()[0]);
            let aads = L::elements(L::load_each(&aads, &aad_lens));
            Self { key, data, lens, bases, aads, aad_lens, tags }
        }
    }

    /// The state of block `n` of each message, where J0 is block 0.
    ///
    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    unsafe fn state(&self, n: usize) -> L::State {
        // SAFETY: the caller's contract is that of `Lanes`.
        unsafe { L::start(self.bases, L::splat(counter(n))) }
    }

    /// Adds the AADs and the lengths to a sum with each message in its lane, and writes the tags. `j0` are
    /// the states of J0 before the last round.
    ///
    /// # Safety
    /// As for [`Lanes`]; the messages have at most POWERS - 2 blocks.
    #[inline(always)]
    unsafe fn finish<const EVEN: bool, const ROUNDS: usize>(&self, mut sum: L::Product, j0: L::State) {
        let (key, blocks) = (self.key, self.lens.map(|len| len.div_ceil(16)));
        // SAFETY: the caller's contract is that of `Lanes`.
        unsafe {
            let mut ends = [lengths(self.aad_lens[0], self.lens[0]); MOST_LANES];
            if EVEN {
                L::multiply_same(&mut sum, L::splat(ends[0]), key.powers(1));
                L::multiply_same(&mut sum, self.aads, key.powers(blocks[0] + 2));
            } else {
                each!(K < MOST_LANES, {
                    let k = K % MOST_LANES;
                    ends[k] = lengths(self.aad_lens[k], self.lens[k]);
                });
                L::multiply_same(&mut sum, L::gather(&ends), key.powers(1));
                L::multiply_each(&mut sum, self.aads, &blocks.map(|blocks| key.powers(blocks + 2)));
            }
            let masks = L::finish(j0, &key.round::<ROUNDS>()[ROUNDS], L::splat(0));
            L::store_blocks(&self.tags, L::add(L::elements(L::reduce_each(&sum)), masks));
        }
    }

    /// Processes messages of `N` blocks, a lane for each; `STATES` is `N` + 1.
    ///
    /// # Safety
    /// As for [`groups`]; the group is even.
    #[inline(always)]
    unsafe fn in_lanes<const N: usize, const STATES: usize, const ROUNDS: usize, const SEAL: bool>(&self) {
        let (key, keys) = (self.key, self.key.round::<ROUNDS>());
        let last = self.lens[0] - 16 * (N - 1);
        // SAFETY: the caller's contract; every access is inside a message, and the powers are those of N
        // blocks.
        unsafe {
            let mut states = [self.state(0); STATES];
            each!(I < N, { states[I + 1] = self.state(I + 1) });
            crypt_rounds::<L, STATES, ROUNDS, 0>(&mut states, keys);
            let mut sum = L::no_product();
            each!(I < N, {
                let to = self.data.map(|at| at.wrapping_add(16 * I));
                let (from, lens) = (to.map(<*mut u8>::cast_const), [last; MOST_LANES]);
                let part = I == N - 1 && last < 16;
                let data = if part { L::load_each(&from, &lens) } else { L::load_blocks(&from) };
                let out = L::finish(states[I + 1], &keys[ROUNDS], data);
                let mut ciphertext = if SEAL { out } else { data };
                if part {
                    L::store_each(&to, &lens, out);
                    ciphertext = L::keep_each(ciphertext, &lens);
                } else {
                    L::store_blocks(&to, out);
                }
                L::multiply_same(&mut sum, L::elements(ciphertext), key.powers(N + 1 - I));
            });
            self.finish::<true, ROUNDS>(sum, states[0]);
        }
    }

    /// Processes messages of at most `N` blocks, a lane for each, aligned at their ends; `STATES` is `N` + 1.
    ///
    /// # Safety
    /// As for [`groups`].
    #[inline(always)]
    unsafe fn mixed<const N: usize, const STATES: usize, const ROUNDS: usize, const SEAL: bool>(&self) {
        let (key, keys) = (self.key, self.key.round::<ROUNDS>());
        // SAFETY: the caller's contract; every access is inside a message, and the powers are those of N
        // blocks.
        unsafe {
            // The bytes that the blocks of no bytes stand for, before each message.
            let before = self.lens.map(|len| 16 * N - 16 * len.div_ceil(16));
            let mut states = [self.state(0); STATES];
            each!(I < N, {
                let numbers = before.map(|before| counter((16 * (I + 1)).wrapping_sub(before) / 16));
                states[I + 1] = L::start(self.bases, L::gather(&numbers));
            });
            crypt_rounds::<L, STATES, ROUNDS, 0>(&mut states, keys);
            let mut sum = L::no_product();
            each!(I < N, {
                let (mut to, mut lens) = (self.data, [0; MOST_LANES]);
                each!(K < MOST_LANES, {
                    let k = K % MOST_LANES;
                    if before[k] < 16 * (I + 1) {
                        to[k] = self.data[k].wrapping_add(16 * I - before[k]);
                        lens[k] = (self.lens[k] + before[k] - 16 * I).min(16);
                    }
                });
                let data = L::load_each(&to.map(<*mut u8>::cast_const), &lens);
                let out = L::finish(states[I + 1], &keys[ROUNDS], data);
                L::store_each(&to, &lens, out);
                let ciphertext = if SEAL { L::keep_each(out, &lens) } else { data };
                L::multiply_same(&mut sum, L::elements(ciphertext), key.powers(N + 1 - I));
            });
            self.finish::<false, ROUNDS>(sum, states[0]);
        }
    }

    /// Processes messages of `V` vectors, the last of which may be partial, two at a time; `STATES` is twice
    /// `V`.
    ///
    /// # Safety
    /// As for [`groups`].
    #[inline(always)]
    unsafe fn in_rows<const V: usize, const STATES: usize, const ROUNDS: usize, const SEAL: bool>(&self) {
        let keys = self.key.round::<ROUNDS>();
        // SAFETY: the caller's contract.
        unsafe {
            let mut j0 = [self.state(0)];
            crypt_rounds::<L, 1, ROUNDS, 0>(&mut j0, keys);
            let mut sums = [L::no_product(); MOST_LANES];
            each!(TWO < L::BLOCKS / 2, {
                let first = whitened::<L, V>(L::splat_lane(self.bases, 2 * TWO), 2);
                let second = whitened::<L, V>(L::splat_lane(self.bases, 2 * TWO + 1), 2);
                let mut states = [first[0]; STATES];
                each!(I < V, { (states[I], states[V + I]) = (first[I], second[I]) });
                crypt_rounds::<L, STATES, ROUNDS, 0>(&mut states, keys);
                // No backend has more lanes than MOST_LANES: the remainder only tells the compiler so.
                let m = 2 * TWO % MOST_LANES;
                sums[m] = self.row::<V, STATES, ROUNDS, SEAL>(&states, 0, self.data[m]);
                sums[m + 1] = self.row::<V, STATES, ROUNDS, SEAL>(&states, V, self.data[m + 1]);
            });
            self.finish::<true, ROUNDS>(L::transpose(&sums), j0[0]);
        }
    }

    /// Adds the states from `first` on to the message at `at`, and returns the products of its blocks.
    ///
    /// # Safety
    /// As for [`groups`].
    #[inline(always)]
    unsafe fn row<const V: usize, const STATES: usize, const ROUNDS: usize, const SEAL: bool>(
        &self,
        states: &[L::State; STATES],
        first: usize,
        at: *mut u8,
    ) -> L::Product {
        let (key, keys, width) = (self.key, self.key.round::<ROUNDS>(), span::<L>(1));
        let (blocks, last) = (self.lens[0].div_ceil(16), self.lens[0] - (V - 1) * width);
        // SAFETY: the caller's contract; every access is inside the message, and the powers are those of its
        // blocks.
        unsafe {
            let powers = |i: usize| key.powers(blocks + 1 - L::BLOCKS * i);
            let (mut x, mut sum) = ([self.aads; V], L::no_product());
            each!(I < V, {
                let to = at.wrapping_add(width * I);
                let end = if I == V - 1 { last } else { width };
                let data = L::load_part(to, 0, end);
                let out = L::finish(states[first + I], &keys[ROUNDS], data);
                L::store_part(to, 0, end, out);
                let kept = if SEAL && I == V - 1 { L::keep(out, 0, end) } else { out };
                x[I] = L::elements(if SEAL { kept } else { data });
            });
            each!(PAIR < V / 2, {
                L::multiply_two_lean(&mut sum, [x[2 * PAIR], x[2 * PAIR + 1]], powers(2 * PAIR));
            });
            L::settle(&mut sum);
            if V % 2 == 1 {
                L::multiply(&mut sum, x[V - 1], powers(V - 1));
            }
            sum
        }
    }
}

/// Counter block `n` of a message without its nonce, as a little-endian integer; J0 is block 0.
#[inline(always)]
const fn counter(n: usize) -> u128 {
    ((n as u32).wrapping_add(1).to_be() as u128) << 96
}

#[cfg(test)]
mod tests {
    use crate::aead::{Alg, BACKENDS, Error, Message, Tag};

    /// A message, its AAD and its nonce, derived from a number.
    fn drawn(n: usize, len: usize, aad_len: usize) -> (Vec<u8>, Vec<u8>, [u8; 12]) {
        let bytes =
            |len: usize, salt: usize| (0..len).map(|i| (i * 31 + n * 7 + salt) as u8).collect::<Vec<_>>();
        let mut nonce = [0xa5; 12];
        nonce[..8].copy_from_slice(&(n as u64).to_le_bytes());
        (bytes(len, 1), bytes(aad_len, 2), nonce)
    }

    /// Seals a batch with these (message, AAD) lengths, compares it with single calls, opens it, and checks
    /// that a forged message is refused.
    fn check(name: &str, key: &dyn crate::aead::Aead, lens: &[(usize, usize)]) {
        let drawn: Vec<_> = lens.iter().enumerate().map(|(n, (len, aad))| drawn(n, *len, *aad)).collect();
        let mut buffers: Vec<_> = drawn.iter().map(|(message, ..)| message.clone()).collect();
        let batch =
            |buffers: &mut Vec<Vec<u8>>, tags: &mut Vec<Tag>, run: &mut dyn FnMut(&mut [Message<'_>])| {
                let mut messages: Vec<_> = buffers
                    .iter_mut()
                    .zip(&drawn)
                    .zip(tags.iter())
                    .map(|((in_out, (_, aad, nonce)), tag)| Message { nonce: *nonce, aad, in_out, tag: *tag })
                    .collect();
                run(&mut messages);
                let made: Vec<_> = messages.iter().map(|m| m.tag).collect();
                *tags = made;
            };
        let mut tags = vec![Tag::default(); lens.len()];
        batch(&mut buffers, &mut tags, &mut |messages| key.seal_batch(messages).unwrap());
        for (n, (message, aad, nonce)) in drawn.iter().enumerate() {
            let (mut single, mut tag) = (message.clone(), Tag::default());
            key.seal(nonce, aad, &mut single, &mut tag).unwrap();
            assert_eq!(buffers[n], single, "{name} {lens:?}: ciphertext {n}");
            assert_eq!(tags[n].0, tag.0, "{name} {lens:?}: tag {n}");
        }
        let forged = lens.len() / 2;
        tags[forged].0[n_th(forged)] ^= 0x40;
        let mut verdicts = vec![Err(Error::Unsupported); lens.len()];
        batch(&mut buffers, &mut tags, &mut |messages| key.open_batch(messages, &mut verdicts));
        for (n, (message, ..)) in drawn.iter().enumerate() {
            if n == forged {
                assert_eq!(verdicts[n], Err(Error::NotAuthentic), "{name} {lens:?}: forgery {n}");
                assert!(buffers[n].iter().all(|byte| *byte == 0), "{name} {lens:?}: {n} is wiped");
            } else {
                assert_eq!((verdicts[n], &buffers[n]), (Ok(()), message), "{name} {lens:?}: plaintext {n}");
            }
        }
    }

    fn n_th(n: usize) -> usize {
        n * 5 % 16
    }

    #[test]
    fn a_batch_equals_single_calls() {
        let (mut checked, mut backends) = (0, 0);
        for backend in BACKENDS.iter().filter(|backend| backend.available()) {
            for alg in Alg::ALL {
                let key = backend.key(alg, &vec![0x42; alg.key_len()]).unwrap();
                // Equal lengths, in groups that fill the lanes and groups that do not.
                for len in 0..=300 {
                    check(backend.name, &*key, &vec![(len, 6); 1 + len % 9]);
                    checked += 1;
                }
                // Mixed lengths and AADs, including long ones.
                for start in 0..200 {
                    let lens: Vec<_> =
                        (0..13).map(|i| ((start * 37 + i * 53) % 290, (start + i * 3) % 23)).collect();
                    check(backend.name, &*key, &lens);
                    checked += 1;
                }
                check(backend.name, &*key, &[(0, 0), (5_000, 40), (1, 16), (16, 17), (17, 0)]);
            }
            println!("{}", backend.name);
            backends += 1;
        }
        assert!(backends >= 1);
        assert_eq!(checked, backends * Alg::ALL.len() * 501);
    }

    /// A thread has 2 MiB unless it asks for more. Without optimisation, the kernels take half of that.
    #[test]
    fn the_usual_stack_of_a_thread_is_enough_and_leaves_room_for_the_caller() {
        let threads = BACKENDS.iter().filter(|backend| backend.available()).map(|backend| {
            let lens = [16, 40, 64, 64, 64, 64, 300, 300, 300, 300, 1_350, 4_500, 100_000];
            let batch: Vec<_> = lens.iter().flat_map(|len| [(*len, 6), (*len, 40)]).collect();
            let all = move || {
                for alg in Alg::ALL {
                    check(backend.name, &*backend.key(alg, &vec![7; alg.key_len()]).unwrap(), &batch);
                }
            };
            std::thread::Builder::new().stack_size(3 << 19).spawn(all).unwrap()
        });
        let joined = threads.map(|thread| thread.join().unwrap()).count();
        assert!(joined >= 1);
    }

    #[test]
    fn an_empty_batch_is_accepted() {
        for backend in BACKENDS.iter().filter(|backend| backend.available()) {
            let key = backend.key(Alg::Aes128Gcm, &[1; 16]).unwrap();
            assert_eq!(key.seal_batch(&mut []), Ok(()));
            key.open_batch(&mut [], &mut []);
        }
    }
}
