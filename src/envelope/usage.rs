//! How long a data key lasts: messages and bytes that it may seal, and forgeries that it may meet.
//!
//! Two rules bound a key of AES-GCM. SP 800-38D (8.2.1, 8.3) asks that no nonce be used twice; a record's
//! nonce counts, so one process load of one node has 2^64 - 1 of them, and no limit of 2^32 messages applies,
//! which is for random nonces. The other is the attacker's advantage, which grows with what was sealed: the
//! CFRG's draft on AEAD usage limits (draft-irtf-cfrg-aead-limits, 5.1.1 and 5.1.2) gives, for an advantage p
//! and messages of L blocks, q <= (sqrt(p) 2^64.5 - 1) / (L + 1) messages sealed and v <= p 2^127 / (L + 1)
//! forgeries tried. All nodes of a cluster seal under one data key, so what counts is the sum over all of
//! them.
//!
//! Not here: counting what a key has sealed.

/// The advantage over guessing a plaintext that TLS 1.3 and QUIC accept, as a power of 2 (RFC 9001, appendix
/// B).
pub const CONFIDENTIALITY: i32 = -60;
/// The chance of a forgery that QUIC accepts, as a power of 2 (RFC 9001, appendix B).
pub const INTEGRITY: i32 = -57;

/// What one data key may be used for with messages of one length.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Usage {
    /// Messages that may be sealed.
    pub messages: u64,
    /// Bytes of message that this is.
    pub bytes: u128,
    /// Forged messages that may be offered to it.
    pub forgeries: u64,
}

impl Usage {
    /// For messages of `bytes` bytes, each with `aad` bytes of additional data, at the advantages
    /// [`CONFIDENTIALITY`] and [`INTEGRITY`].
    pub fn of(bytes: usize, aad: usize) -> Self {
        Self::at(bytes, aad, CONFIDENTIALITY, INTEGRITY)
    }

    /// The same at other advantages, as powers of 2.
    pub fn at(bytes: usize, aad: usize, confidentiality: i32, integrity: i32) -> Self {
        let blocks = |bytes: usize| bytes.div_ceil(16) as f64;
        let sealed = (2f64.powf(64.5 + f64::from(confidentiality) / 2.0) - 1.0) / (blocks(bytes) + 1.0);
        let tried = 2f64.powi(127 + integrity) / (blocks(bytes) + blocks(aad) + 1.0);
        // A float that is too large becomes the largest integer: as many as there are nonces.
        let messages = sealed as u64;
        Self { messages, bytes: u128::from(messages) * bytes as u128, forgeries: tried as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where they can be computed by hand.
    #[test]
    fn the_formulas_of_the_draft_hold_at_powers_of_two() {
        // 2^10 - 1 blocks: L + 1 is 2^10. sqrt(2^-61) 2^64.5 is 2^34.
        let usage = Usage::at(1023 * 16, 0, -61, -57);
        assert_eq!(usage.messages, ((1u64 << 34) - 1) >> 10);
        assert_eq!(usage.bytes, u128::from(usage.messages) * 1023 * 16);
        assert_eq!(usage.forgeries, 1 << 60);
    }

    #[test]
    fn longer_messages_and_smaller_advantages_wear_a_key_out_sooner() {
        assert!(Usage::of(64, 39).messages > Usage::of(1024, 39).messages);
        assert!(Usage::of(1024, 39).messages > Usage::at(1024, 39, -80, -57).messages);
        assert!(Usage::of(1024, 39).forgeries > Usage::of(1024, 1 << 20).forgeries);
        assert!(Usage::of(1, 0).bytes > 0);
    }
}
