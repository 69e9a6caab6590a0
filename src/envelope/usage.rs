//! Usage limits of a data key: the messages and bytes that it may seal, and the forgeries that may be tried
//! against it.
//!
//! Two rules limit the use of an AES-GCM key. First, SP 800-38D (8.2.1, 8.3) requires that no nonce be used
//! twice. A record's nonce is a counter, so a node has 2^64 - 1 of them each time its process starts, and the
//! limit of 2^32 messages, which is for random nonces, does not apply. Second, the attacker's advantage grows
//! with the amount of sealed data. The CFRG's draft on AEAD usage limits (draft-irtf-cfrg-aead-limits, 5.1.1
//! and 5.1.2) allows, for an advantage p and messages of L blocks, q <= (sqrt(p) 2^64.5 - 1) / (L + 1) sealed
//! messages and v <= p 2^127 / (L + 1) attempted forgeries. All nodes of a cluster seal under the same data
//! key, so the limits apply to the sum over all nodes.
//!
//! Not here: counting what a key has sealed.

/// The attacker's advantage against confidentiality that TLS 1.3 and QUIC accept, as a power of 2 (RFC 9001,
/// appendix B).
pub const CONFIDENTIALITY: i32 = -60;
/// The probability of a forgery that QUIC accepts, as a power of 2 (RFC 9001, appendix B).
pub const INTEGRITY: i32 = -57;

/// The limits of one data key for messages of one length.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Usage {
    /// Messages that may be sealed.
    pub messages: u64,
    /// The total length of these messages in bytes.
    pub bytes: u128,
    /// Forgeries that may be attempted.
    pub forgeries: u64,
}

impl Usage {
    /// The limits for messages of `bytes` bytes, each with `aad` bytes of additional data, at the advantages
    /// [`CONFIDENTIALITY`] and [`INTEGRITY`].
    pub fn of(bytes: usize, aad: usize) -> Self {
        Self::at(bytes, aad, CONFIDENTIALITY, INTEGRITY)
    }

    /// The limits at other advantages, given as powers of 2.
    pub fn at(bytes: usize, aad: usize, confidentiality: i32, integrity: i32) -> Self {
        let blocks = |bytes: usize| bytes.div_ceil(16) as f64;
        let sealed = (2f64.powf(64.5 + f64::from(confidentiality) / 2.0) - 1.0) / (blocks(bytes) + 1.0);
        let tried = 2f64.powi(127 + integrity) / (blocks(bytes) + blocks(aad) + 1.0);
        // The cast saturates: a float that is too large becomes the largest integer, the number of nonces.
        let messages = sealed as u64;
        Self { messages, bytes: u128::from(messages) * bytes as u128, forgeries: tried as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At values that can be computed by hand.
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
