//! HKDF with SHA-256 (RFC 5869), extract and expand in one call, from the crate `hkdf`.

use hkdf::Hkdf;
use sha2::Sha256;

use super::{Error, Function, Primitive};

/// The most bytes that one call derives: 255 blocks of 32.
pub const MAX_OUTPUT_LEN: usize = 255 * 32;

/// This file's row in [`PRIMITIVES`](super::PRIMITIVES).
pub const PRIMITIVE: Primitive = Primitive {
    name: "hkdf-sha-256",
    krate: "hkdf",
    function: Function::Kdf(derive),
    vectors: &["wycheproof/hkdf-sha-256"],
};

/// Fills `out` with key bytes derived from key material, salt and info. An empty salt means no salt, which is
/// 32 zero bytes.
///
/// # Errors
/// [`Error::OutputTooLong`] if `out` is longer than [`MAX_OUTPUT_LEN`] bytes; `out` is then unchanged.
pub fn derive(material: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), Error> {
    let asked = out.len();
    let extracted = Hkdf::<Sha256>::new(Some(salt), material);
    extracted.expand(info, out).map_err(|_| Error::OutputTooLong { asked, most: MAX_OUTPUT_LEN })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_example_of_rfc_5869_is_reproduced() {
        let salt: Vec<u8> = (0..13).collect();
        let info: Vec<u8> = (0xf0..0xfa).collect();
        let mut out = [0; 42];
        derive(&[0x0b; 22], &salt, &info, &mut out).unwrap();
        let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
        assert_eq!(hex::encode(out), expected);
    }

    #[test]
    fn one_byte_past_the_limit_is_refused_and_nothing_is_written() {
        derive(b"material", b"", b"", &mut [0; MAX_OUTPUT_LEN]).unwrap();
        let mut out = [7; MAX_OUTPUT_LEN + 1];
        let refused = derive(b"material", b"", b"", &mut out).unwrap_err();
        assert_eq!(refused, Error::OutputTooLong { asked: 8161, most: 8160 });
        assert!(out.iter().all(|byte| *byte == 7));
    }

    #[test]
    fn no_salt_is_32_zero_bytes() {
        let derived = |salt: &[u8]| {
            let mut out = [0; 32];
            derive(b"material", salt, b"info", &mut out).map(|()| out)
        };
        assert_eq!(derived(&[]), derived(&[0; 32]));
        assert_ne!(derived(&[]), derived(&[1; 32]));
    }
}
