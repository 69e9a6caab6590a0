//! HKDF with SHA-512 (RFC 5869): extract and expand in one call, and expand alone, from the crate `hkdf` and
//! the HMAC under it.
//!
//! [`expand`] takes a key of any length, as C2SP's chunked encryption needs; the crate's own refuses one
//! shorter than 64 bytes, as RFC 5869 asks of a caller without a reason. The published vectors judge both:
//! [`derive()`] expands through it. The hash states on the stack are not wiped, see
//! [`sha256`](super::sha256::digest).

use hkdf::Hkdf;
use hkdf::hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;
use zeroize::Zeroize;

use super::{Error, Function, Primitive};

/// Length of a block of output in bytes.
const BLOCK_LEN: usize = 64;
/// The most bytes that one call derives: 255 blocks of 64.
pub const MAX_OUTPUT_LEN: usize = 255 * BLOCK_LEN;

/// This file's row in [`PRIMITIVES`](super::PRIMITIVES).
pub const PRIMITIVE: Primitive = Primitive {
    name: "hkdf-sha-512",
    krate: "hkdf",
    function: Function::Kdf(derive),
    vectors: &["wycheproof/hkdf-sha-512"],
};

/// Fills `out` with key bytes derived from key material, salt and info. An empty salt means no salt, which is
/// 64 zero bytes.
///
/// # Errors
/// [`Error::OutputTooLong`] if `out` is longer than [`MAX_OUTPUT_LEN`] bytes; `out` is then unchanged.
pub fn derive(material: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), Error> {
    let (mut key, _) = Hkdf::<Sha512>::extract(Some(salt), material);
    let expanded = expand(&key, &[info], out);
    key.zeroize();
    expanded
}

/// Fills `out` with key bytes derived from a key that is already uniformly random, of any length, and the
/// concatenation of the parts of the info.
///
/// # Errors
/// [`Error::OutputTooLong`] if `out` is longer than [`MAX_OUTPUT_LEN`] bytes; `out` is then unchanged.
pub fn expand(key: &[u8], info: &[&[u8]], out: &mut [u8]) -> Result<(), Error> {
    if out.len() > MAX_OUTPUT_LEN {
        return Err(Error::OutputTooLong { asked: out.len(), most: MAX_OUTPUT_LEN });
    }
    let keyed = Hmac::<Sha512>::new_from_slice(key).expect("HMAC takes keys of any length");
    let mut previous: Option<[u8; BLOCK_LEN]> = None;
    for (number, piece) in (1..=u8::MAX).zip(out.chunks_mut(BLOCK_LEN)) {
        let mut mac = keyed.clone();
        previous.iter().for_each(|block| mac.update(block));
        info.iter().for_each(|part| mac.update(part));
        mac.update(&[number]);
        let block = previous.insert(mac.finalize().into_bytes().into());
        piece.copy_from_slice(&block[..piece.len()]);
    }
    previous.zeroize();
    Ok(())
}

/// The digest of a message: for published vectors that give it in place of a long message.
#[doc(hidden)]
pub fn sha512(message: &[u8]) -> [u8; BLOCK_LEN] {
    sha2::Digest::finalize(<Sha512 as sha2::Digest>::new_with_prefix(message)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expanding_a_long_key_gives_the_bytes_of_the_crate() {
        let key = [7; BLOCK_LEN];
        let crates = Hkdf::<Sha512>::from_prk(&key).unwrap();
        for len in [0, 1, 63, 64, 65, 128, 200, MAX_OUTPUT_LEN] {
            let [mut ours, mut theirs] = [vec![0; len], vec![0; len]];
            expand(&key, &[b"in", b"", b"fo"], &mut ours).unwrap();
            crates.expand(b"info", &mut theirs).unwrap();
            assert_eq!(ours, theirs, "{len}");
        }
    }

    /// The crate cannot judge it, because it refuses such keys: HMAC by its definition in RFC 2104 does.
    #[test]
    fn expanding_a_short_key_is_hmac_over_info_and_the_number_one() {
        use sha2::Digest;
        let padded = |with: u8| {
            let mut block = [with; 128];
            block.iter_mut().zip([9; 32]).for_each(|(byte, key)| *byte ^= key);
            block
        };
        let inner = Sha512::digest([&padded(0x36)[..], b"info", &[1]].concat());
        let expected = Sha512::digest([&padded(0x5c)[..], &inner].concat());
        let mut out = [0; 64];
        expand(&[9; 32], &[b"info"], &mut out).unwrap();
        assert_eq!(out[..], expected[..]);
    }

    #[test]
    fn one_byte_past_the_limit_is_refused_and_nothing_is_written() {
        let mut out = vec![7; MAX_OUTPUT_LEN + 1];
        let refused = derive(b"material", b"", b"", &mut out).unwrap_err();
        assert_eq!(refused, Error::OutputTooLong { asked: 16_321, most: 16_320 });
        assert!(out.iter().all(|byte| *byte == 7));
    }

    #[test]
    fn no_salt_is_64_zero_bytes() {
        let derived = |salt: &[u8]| {
            let mut out = [0; 32];
            derive(b"material", salt, b"info", &mut out).map(|()| out)
        };
        assert_eq!(derived(&[]), derived(&[0; 64]));
        assert_ne!(derived(&[]), derived(&[1; 64]));
    }
}
