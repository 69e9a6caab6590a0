//! Many short messages at once: one in each lane.
//!
//! The messages of a group are aligned at their ends: step `p` processes the block `p` places from the end of
//! each message, so that all lanes multiply by the same power of H and only the last step may have partial
//! blocks. A lane with a shorter message joins later. Long messages, and those with more than one block of
//! AAD, are processed one by one.

use super::edge::{ManyLanes, one_by_one};
use super::interleave::{crypt_rounds, each};
use super::key::Key;
use super::lanes::MOST_LANES;
use super::{Message, Tag};

/// The longest message in bytes that shares the lanes with others; a longer one fills the lanes by itself.
const LONGEST: usize = 256;

/// Processes short messages in groups, one message per lane, and other messages one by one.
///
/// # Safety
/// As for [`one_by_one`] and [`Lanes`](super::lanes::Lanes); `key` has `ROUNDS` rounds.
#[inline(always)]
pub(super) unsafe fn by_lanes<L: ManyLanes, const ROUNDS: usize, const SEAL: bool>(
    key: &Key<L>,
    messages: &mut [Message<'_>],
    tags: &mut [Tag],
) {
    let mut done = 0;
    while done < messages.len() {
        let end = messages.len().min(done + L::BLOCKS);
        let group = &mut messages[done..end];
        let tags = if SEAL { &mut [] } else { &mut tags[done..end] };
        let short = |m: &Message<'_>| m.in_out.len() <= LONGEST && m.aad.len() <= 16;
        // SAFETY: the caller's contract.
        unsafe {
            if group.len() > 1 && group.iter().all(short) {
                together::<L, ROUNDS, SEAL>(key, group, tags);
            } else {
                one_by_one::<L, ROUNDS, SEAL>(key, group, tags);
            }
        }
        done = end;
    }
}

/// The messages in the lanes; lanes without a message have length 0.
struct Group {
    data: [*mut u8; MOST_LANES],
    lens: [usize; MOST_LANES],
    /// Blocks of each message, and their maximum.
    blocks: [usize; MOST_LANES],
    most: usize,
    /// Whether every lane has a message and all have the same number of blocks.
    even: bool,
}

impl Group {
    /// For each lane, the address and length of the block `p` places from the end, with length 0 if the
    /// message is shorter; and whether all blocks are full.
    #[inline(always)]
    fn at(&self, p: usize) -> ([*mut u8; MOST_LANES], [usize; MOST_LANES], bool) {
        let (mut to, mut lens, mut full) = (self.data, [16; MOST_LANES], self.even);
        for k in 0..MOST_LANES {
            let before = self.blocks[k].saturating_sub(p) * 16;
            to[k] = self.data[k].wrapping_add(before);
            if p > self.blocks[k] {
                lens[k] = 0;
            } else if p == 1 {
                lens[k] = self.lens[k] - before;
                full &= lens[k] == 16;
            }
        }
        (to, lens, full)
    }
}

/// Processes one group of short messages.
///
/// # Safety
/// As for [`by_lanes`], with at most as many messages as there are lanes, none longer than [`LONGEST`] and
/// none with more than 16 bytes of AAD; when opening, `tags` has one entry per message.
#[inline(always)]
unsafe fn together<L: ManyLanes, const ROUNDS: usize, const SEAL: bool>(
    key: &Key<L>,
    messages: &mut [Message<'_>],
    tags: &mut [Tag],
) {
    const NO_BYTES: [u8; 16] = [0; 16];
    let mut group = Group {
        data: [NO_BYTES.as_ptr().cast_mut(); MOST_LANES],
        lens: [0; MOST_LANES],
        blocks: [0; MOST_LANES],
        most: 0,
        even: true,
    };
    let mut nonces = [NO_BYTES.as_ptr(); MOST_LANES];
    let mut aads = [NO_BYTES.as_ptr(); MOST_LANES];
    let mut aad_lens = [0; MOST_LANES];
    let mut tag_lens = [0; MOST_LANES];
    let mut scratch = [Tag::default(); MOST_LANES];
    let mut to_tags = scratch.each_mut().map(|tag| tag.0.as_mut_ptr());
    for (k, m) in messages.iter_mut().enumerate() {
        group.data[k] = m.in_out.as_mut_ptr();
        group.lens[k] = m.in_out.len();
        group.blocks[k] = m.in_out.len().div_ceil(16);
        group.most = group.most.max(group.blocks[k]);
        nonces[k] = m.nonce.as_ptr();
        (aads[k], aad_lens[k]) = (m.aad.as_ptr(), m.aad.len());
        to_tags[k] = if SEAL { m.tag.0.as_mut_ptr() } else { tags[k].0.as_mut_ptr() };
        tag_lens[k] = 16;
    }
    let first = group.blocks[0];
    group.even =
        messages.len() == L::BLOCKS && group.blocks[..L::BLOCKS].iter().all(|blocks| *blocks == first);

    const { assert!(LONGEST / 16 + 2 <= Key::<L>::POWERS, "a power of H for each block of a message") }
    // SAFETY: the caller's contract is that of `Lanes`. `at` keeps every access inside its message; the
    // powers used are at least 1 and at most LONGEST / 16 + 2, which was asserted to be in the table.
    unsafe {
        let j0 = L::add(L::load_each(&nonces, &[12; MOST_LANES]), L::splat(1 << 120));
        let mut counter = L::elements(j0);
        // The counter for the first step, minus the steps that a shorter message skips.
        counter = L::advance(counter, &group.blocks.map(|b| (1 + b as u32).wrapping_sub(group.most as u32)));

        let lengths: [u128; MOST_LANES] =
            core::array::from_fn(|k| (aad_lens[k] as u128 * 8) << 64 | (group.lens[k] as u128 * 8));
        let mut sum = L::multiply_same(L::no_product(), L::gather(&lengths), key.powers(1));
        let aad = L::elements(L::load_each(&aads, &aad_lens));
        sum = if group.even {
            L::multiply_same(sum, aad, key.powers(first + 2))
        } else {
            L::multiply_each(sum, aad, &group.blocks.map(|blocks| key.powers(blocks + 2)))
        };

        let keys = key.round::<ROUNDS>();
        let mut mask = [L::whiten(j0, &keys[0])];
        let mut p = group.most;
        if p % 2 == 1 {
            let mut states = [mask[0], L::whiten(count_each::<L>(&mut counter), &keys[0])];
            crypt_rounds::<L, 2, ROUNDS, 0>(&mut states, keys);
            mask[0] = states[0];
            step::<L, ROUNDS, SEAL>(key, states[1], &group, p, &mut sum);
            p -= 1;
        } else {
            crypt_rounds::<L, 1, ROUNDS, 0>(&mut mask, keys);
        }
        if p % 4 == 2 {
            steps::<L, 2, ROUNDS, SEAL>(key, &mut counter, &group, p, &mut sum);
            p -= 2;
        }
        while p > 0 {
            steps::<L, 4, ROUNDS, SEAL>(key, &mut counter, &group, p, &mut sum);
            p -= 4;
        }
        let mask = L::finish(mask[0], &keys[ROUNDS], L::splat(0));
        let tag = L::add(L::elements(L::reduce_each(sum)), mask);
        if messages.len() == L::BLOCKS {
            L::store_blocks(&to_tags, tag);
        } else {
            L::store_each(&to_tags, &tag_lens, tag);
        }
    }
}

/// Returns the counter blocks of byte-reversed ones, and adds 1 to each number.
///
/// # Safety
/// As for [`Lanes`](super::lanes::Lanes).
#[inline(always)]
unsafe fn count_each<L: ManyLanes>(counters: &mut L::Vector) -> L::Vector {
    // SAFETY: the caller's contract is that of `Lanes`.
    unsafe {
        let blocks = L::elements(*counters);
        *counters = L::advance(*counters, &[1; MOST_LANES]);
        blocks
    }
}

/// Performs `V` steps, starting `p` places from the end.
///
/// # Safety
/// As for [`step`], for each of them.
#[inline(always)]
unsafe fn steps<L: ManyLanes, const V: usize, const ROUNDS: usize, const SEAL: bool>(
    key: &Key<L>,
    counter: &mut L::Vector,
    group: &Group,
    p: usize,
    sum: &mut L::Product,
) {
    let keys = key.round::<ROUNDS>();
    // SAFETY: the caller's contract, for `p` down to `p` - V + 1.
    unsafe {
        let mut states = [L::whiten(count_each::<L>(counter), &keys[0]); V];
        each!(I < V, {
            if I != 0 {
                states[I] = L::whiten(count_each::<L>(counter), &keys[0]);
            }
        });
        crypt_rounds::<L, V, ROUNDS, 0>(&mut states, keys);
        each!(I < V, { step::<L, ROUNDS, SEAL>(key, states[I], group, p - I, sum) });
    }
}

/// Adds the key stream to the block `p` places from the end of each message, and hashes the ciphertext.
///
/// # Safety
/// As for [`together`], whose messages `group` describes; `p` is at least 1 and at most `group.most`.
#[inline(always)]
unsafe fn step<L: ManyLanes, const ROUNDS: usize, const SEAL: bool>(
    key: &Key<L>,
    state: L::State,
    group: &Group,
    p: usize,
    sum: &mut L::Product,
) {
    let (to, lens, full) = group.at(p);
    let from = to.map(<*mut u8>::cast_const);
    // SAFETY: the caller's contract; the power `p` + 1 is within the bounds stated in `together`.
    unsafe {
        let data = if full { L::load_blocks(&from) } else { L::load_each(&from, &lens) };
        let out = L::finish(state, &key.round::<ROUNDS>()[ROUNDS], data);
        let mut ciphertext = if SEAL { out } else { data };
        if full {
            L::store_blocks(&to, out);
        } else {
            L::store_each(&to, &lens, out);
            ciphertext = L::keep_each(ciphertext, &lens);
        }
        *sum = L::multiply_same(*sum, L::elements(ciphertext), key.powers(p + 1));
    }
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

    #[test]
    fn an_empty_batch_is_accepted() {
        for backend in BACKENDS.iter().filter(|backend| backend.available()) {
            let key = backend.key(Alg::Aes128Gcm, &[1; 16]).unwrap();
            assert_eq!(key.seal_batch(&mut []), Ok(()));
            key.open_batch(&mut [], &mut []);
        }
    }
}
