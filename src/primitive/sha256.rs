//! SHA-256 (FIPS 180-4), from the crate `sha2`.

use sha2::{Digest, Sha256};

use super::{Function, Primitive};

/// Length of a digest in bytes.
pub const DIGEST_LEN: usize = 32;

/// This file's row in [`PRIMITIVES`](super::PRIMITIVES).
pub const PRIMITIVE: Primitive = Primitive {
    name: "sha-256",
    krate: "sha2",
    function: Function::Hash(|message| digest(message).to_vec()),
    vectors: &["nist/cavp-sha-256-short", "nist/cavp-sha-256-long"],
};

/// The digest of a message. The hasher's state on the stack is not wiped: the crate's feature for that would
/// also slow down the peer engines that share its buffers.
pub fn digest(message: &[u8]) -> [u8; DIGEST_LEN] {
    Sha256::digest(message).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_fips_180_is_reproduced() {
        let expected = [
            0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
            0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
        ];
        assert_eq!(digest(b"abc"), expected);
    }
}
