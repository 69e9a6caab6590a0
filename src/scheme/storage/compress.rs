//! Compression before sealing: Snappy's raw format, marked by the record's flag bit 0 (spec §1, designed
//! upstream but not built).
//!
//! A value is stored compressed only if that makes it shorter. The unpacked length is checked before anything
//! is allocated.

use super::Error;

/// Maximum length of an unpacked value.
pub const MAX_UNPACKED_LEN: usize = 64 * 1024 * 1024;

/// The compressed value, if it is shorter and can be unpacked again.
pub fn shrunk(value: &[u8]) -> Option<Vec<u8>> {
    if value.len() > MAX_UNPACKED_LEN {
        return None;
    }
    snap::raw::Encoder::new().compress_vec(value).ok().filter(|packed| packed.len() < value.len())
}

/// Unpacks a compressed value.
///
/// # Errors
/// [`Error::Decompress`] if it does not unpack, or unpacks to more than [`MAX_UNPACKED_LEN`].
pub fn grown(packed: &[u8]) -> Result<Vec<u8>, Error> {
    let refused = || Error::Decompress(MAX_UNPACKED_LEN);
    let len = snap::raw::decompress_len(packed).map_err(|_| refused())?;
    if len > MAX_UNPACKED_LEN {
        return Err(refused());
    }
    snap::raw::Decoder::new().decompress_vec(packed).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_shrinks_and_unpacks_and_noise_is_left_alone() {
        let text = b"the same words again and again, ".repeat(40);
        let packed = shrunk(&text).expect("it repeats");
        assert!(packed.len() * 4 < text.len());
        assert_eq!(grown(&packed).unwrap(), text);
        let mut noise = vec![1_u8; 64];
        for i in 1..64 {
            noise[i] = noise[i - 1].wrapping_mul(167).wrapping_add(13);
        }
        assert_eq!(shrunk(&noise), None);
        assert_eq!(shrunk(&[]), None);
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_anything_is_allocated() {
        // Snappy's preamble: 2^32 - 1 as a varint.
        assert!(matches!(grown(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0]), Err(Error::Decompress(_))));
        assert!(grown(&[]).is_err());
        let packed = shrunk(&[7; 100]).unwrap();
        for len in 0..packed.len() {
            assert!(grown(&packed[..len]).is_err(), "{len}");
        }
    }
}
