//! A naive AES-GCM, written directly from FIPS 197 and SP 800-38D: the first of three judges.
//!
//! The S-box is computed from the inverse in GF(2^8), and GHASH works bit by bit. It is slow, and its time
//! depends on its secrets: for verification only, never for real secrets.

use std::sync::LazyLock;

/// The round constants of the key expansion (FIPS 197, table 5).
pub(super) const RCON: [u8; 10] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36];

/// An expanded key.
#[derive(Clone)]
pub struct Model {
    pub(super) round_keys: Vec<[u8; 16]>,
    pub(super) h: u128,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("rounds", &(self.round_keys.len() - 1)).finish_non_exhaustive()
    }
}

impl Model {
    /// Expands a key of 16, 24 or 32 bytes.
    ///
    /// # Panics
    /// If the key has another length.
    pub fn new(key: &[u8]) -> Self {
        Self::with_rcon(key, &RCON)
    }

    /// The same with other round constants, for a planted defect that verification must notice.
    pub(super) fn with_rcon(key: &[u8], rcon: &[u8; 10]) -> Self {
        assert!(matches!(key.len(), 16 | 24 | 32), "an AES key has 16, 24 or 32 bytes");
        let mut model = Self { round_keys: expand(key, rcon), h: 0 };
        model.h = u128::from_be_bytes(model.cipher([0; 16]));
        model
    }

    /// The forward cipher on one block (FIPS 197, 5.1).
    fn cipher(&self, block: [u8; 16]) -> [u8; 16] {
        let last = self.round_keys.len() - 1;
        let mut state = xor(block, self.round_keys[0]);
        for round_key in &self.round_keys[1..last] {
            state = xor(mix_columns(shift_rows(sub_bytes(state))), *round_key);
        }
        xor(shift_rows(sub_bytes(state)), self.round_keys[last])
    }

    /// The pre-counter block of an IV (SP 800-38D, 7.1, step 2).
    pub fn j0(&self, iv: &[u8]) -> u128 {
        if iv.len() == 12 {
            let mut block = [0; 16];
            block[..12].copy_from_slice(iv);
            return u128::from_be_bytes(block) | 1;
        }
        let y = self.ghash(0, iv);
        multiply(y ^ bits(iv), self.h)
    }

    /// The 16-byte IV for that pre-counter block. Division undoes GHASH, so a test can make the counter wrap
    /// at will.
    pub fn iv_for_j0(&self, j0: u128) -> [u8; 16] {
        let inverse = invert(self.h);
        let y = multiply(j0, inverse) ^ 128;
        multiply(y, inverse).to_be_bytes()
    }

    /// Seals, returning ciphertext and tag (SP 800-38D, 7.1).
    pub fn seal(&self, iv: &[u8], aad: &[u8], message: &[u8]) -> (Vec<u8>, [u8; 16]) {
        let ciphertext = self.decrypt(iv, message);
        let tag = self.tag(iv, aad, &ciphertext);
        (ciphertext, tag)
    }

    /// Opens with a tag of any length (SP 800-38D, 7.2).
    pub fn open(&self, iv: &[u8], aad: &[u8], ciphertext: &[u8], tag: &[u8]) -> Option<Vec<u8>> {
        self.tag(iv, aad, ciphertext).starts_with(tag).then(|| self.decrypt(iv, ciphertext))
    }

    /// Counter mode alone: the result of opening without authentication (SP 800-38D, 6.5).
    pub fn decrypt(&self, iv: &[u8], data: &[u8]) -> Vec<u8> {
        let mut counter = self.j0(iv);
        let mut out = Vec::with_capacity(data.len());
        for chunk in data.chunks(16) {
            counter = increment(counter);
            let stream = self.cipher(counter.to_be_bytes());
            out.extend(chunk.iter().zip(stream).map(|(a, b)| a ^ b));
        }
        out
    }

    fn tag(&self, iv: &[u8], aad: &[u8], ciphertext: &[u8]) -> [u8; 16] {
        let y = self.ghash(self.ghash(0, aad), ciphertext);
        let y = multiply(y ^ (bits(aad) << 64) ^ bits(ciphertext), self.h);
        xor(y.to_be_bytes(), self.cipher(self.j0(iv).to_be_bytes()))
    }

    /// GHASH over data padded with zeros (SP 800-38D, 6.4).
    fn ghash(&self, mut y: u128, data: &[u8]) -> u128 {
        for chunk in data.chunks(16) {
            let mut block = [0; 16];
            block[..chunk.len()].copy_from_slice(chunk);
            y = multiply(y ^ u128::from_be_bytes(block), self.h);
        }
        y
    }
}

fn bits(data: &[u8]) -> u128 {
    data.len() as u128 * 8
}

/// inc32 (SP 800-38D, 6.2).
fn increment(counter: u128) -> u128 {
    let low = (counter as u32).wrapping_add(1);
    counter & !0xffff_ffff | u128::from(low)
}

/// The product in GF(2^128) (SP 800-38D, 6.3).
fn multiply(x: u128, y: u128) -> u128 {
    const R: u128 = 0xe1 << 120;
    let (mut z, mut v) = (0, y);
    for i in 0..128 {
        if x >> (127 - i) & 1 == 1 {
            z ^= v;
        }
        v = (v >> 1) ^ if v & 1 == 1 { R } else { 0 };
    }
    z
}

/// The inverse in GF(2^128): x^(2^128 - 2).
fn invert(x: u128) -> u128 {
    let (mut power, mut product) = (x, 1 << 127);
    for _ in 1..128 {
        power = multiply(power, power);
        product = multiply(product, power);
    }
    product
}

/// KeyExpansion (FIPS 197, 5.2).
fn expand(key: &[u8], rcon: &[u8; 10]) -> Vec<[u8; 16]> {
    let nk = key.len() / 4;
    let mut words: Vec<[u8; 4]> = key.as_chunks().0.to_vec();
    for i in nk..4 * (nk + 7) {
        let mut word = words[i - 1];
        if i % nk == 0 {
            word.rotate_left(1);
            word = word.map(|b| SBOX[usize::from(b)]);
            word[0] ^= rcon[i / nk - 1];
        } else if nk > 6 && i % nk == 4 {
            word = word.map(|b| SBOX[usize::from(b)]);
        }
        let before = words[i - nk];
        words.push(std::array::from_fn(|j| word[j] ^ before[j]));
    }
    words.chunks(4).map(|four| std::array::from_fn(|i| four[i / 4][i % 4])).collect()
}

static SBOX: LazyLock<[u8; 256]> = LazyLock::new(|| {
    std::array::from_fn(|x| {
        // x^254 is the inverse, and 0 for 0 (FIPS 197, 5.1.1).
        let x = x as u8;
        let b = (0..254).fold(1, |product, _| multiply_bytes(product, x));
        b ^ b.rotate_left(1) ^ b.rotate_left(2) ^ b.rotate_left(3) ^ b.rotate_left(4) ^ 0x63
    })
});

/// The product in GF(2^8) (FIPS 197, 4.2).
fn multiply_bytes(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        a = xtime(a);
        b >>= 1;
    }
    product
}

fn xtime(a: u8) -> u8 {
    a << 1 ^ if a & 0x80 == 0 { 0 } else { 0x1b }
}

fn sub_bytes(state: [u8; 16]) -> [u8; 16] {
    let sbox = &*SBOX;
    state.map(|b| sbox[usize::from(b)])
}

fn shift_rows(state: [u8; 16]) -> [u8; 16] {
    std::array::from_fn(|i| state[(i + 4 * (i % 4)) % 16])
}

fn mix_columns(state: [u8; 16]) -> [u8; 16] {
    std::array::from_fn(|i| {
        let column = &state[i / 4 * 4..][..4];
        let at = |step: usize| column[(i + step) % 4];
        xtime(at(0)) ^ xtime(at(1)) ^ at(1) ^ at(2) ^ at(3)
    })
}

fn xor(a: [u8; 16], b: [u8; 16]) -> [u8; 16] {
    std::array::from_fn(|i| a[i] ^ b[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_cipher_gives_the_examples_of_fips_197() {
        let block = unhex("00112233445566778899aabbccddeeff");
        let key: Vec<u8> = (0..32).collect();
        let expected = [
            (16, "69c4e0d86a7b0430d8cdb78070b4c55a"),
            (24, "dda97ca4864cdfe06eaf70a0ec0d7191"),
            (32, "8ea2b7ca516745bfeafc49904b496089"),
        ];
        for (len, ciphertext) in expected {
            assert_eq!(Model::new(&key[..len]).cipher(block), unhex(ciphertext), "{len}");
        }
        assert_eq!([SBOX[0], SBOX[1], SBOX[0x53]], [0x63, 0x7c, 0xed]);
    }

    /// Test cases 4, 5, 6 (IVs of 96, 64 and 480 bits), 10 and 16 of the GCM specification.
    #[test]
    fn gcm_gives_the_test_cases_of_its_specification() {
        let key: [u8; 16] = unhex("feffe9928665731c6d6a8f9467308308");
        let key192: [u8; 24] = unhex("feffe9928665731c6d6a8f9467308308feffe9928665731c");
        let key256 = key.repeat(2);
        let message: [u8; 60] = unhex(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
             1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        );
        let aad: [u8; 20] = unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let iv: [u8; 12] = unhex("cafebabefacedbaddecaf888");
        let long_iv: [u8; 60] = unhex(
            "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728\
             c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b",
        );
        let expected: [(&[u8], &[u8], &str, &str); 5] = [
            (&key, &iv, "42831ec2217774244b7221b784d0d49c", "5bc94fbc3221a5db94fae95ae7121a47"),
            (&key, &iv[..8], "61353b4c2806934a777ff51fa22a4755", "3612d2e79e3b0785561be14aaca2fccb"),
            (&key, &long_iv, "8ce24998625615b603a033aca13fb894", "619cc5aefffe0bfa462af43c1699d050"),
            (&key192, &iv, "3980ca0b3c00e841eb06fac4872a2757", "2519498e80f1478f37ba55bd6d27618c"),
            (&key256, &iv, "522dc1f099567d07f47f37a32a84427d", "76fc6ece0f4e1768cddf8853bb2d551b"),
        ];
        for (key, iv, begins, tag) in expected {
            let model = Model::new(key);
            let (ciphertext, seen) = model.seal(iv, &aad, &message);
            assert_eq!(ciphertext[..16], unhex::<16>(begins), "{begins}");
            assert_eq!(seen, unhex(tag), "{begins}");
            assert_eq!(model.open(iv, &aad, &ciphertext, &seen).as_deref(), Some(&message[..]));
            assert_eq!(model.open(iv, &aad[1..], &ciphertext, &seen), None);
        }
    }

    #[test]
    fn an_empty_message_gives_the_tag_of_test_case_1() {
        let (ciphertext, tag) = Model::new(&[0; 16]).seal(&[0; 12], b"", b"");
        assert!(ciphertext.is_empty());
        assert_eq!(tag, unhex("58e2fccefa7e3061367f1d57a4e7455a"));
    }

    #[test]
    fn an_inverse_times_its_element_is_one() {
        for x in [1 << 127, 2, 0x0123_4567_89ab_cdef_u128 << 32, u128::MAX] {
            assert_eq!(multiply(x, invert(x)), 1 << 127, "{x:x}");
        }
    }

    #[test]
    fn an_iv_is_found_for_any_pre_counter_block() {
        for len in [16, 24, 32] {
            let model = Model::new(&vec![7; len]);
            for j0 in [u128::MAX, 0xffff_ffff, 0] {
                assert_eq!(model.j0(&model.iv_for_j0(j0)), j0, "{len}");
            }
        }
        assert_eq!(increment(5 << 32 | 0xffff_ffff), 5 << 32);
    }
}
