//! The limits of keys, values and request ids (specification of the checked log, §2 and §5), which records,
//! commands and the service share. Not here: the limit of a batch, which is ours ([`super::wal`]).

/// Most bytes of a key; 0 is a key too.
pub const MAX_KEY_LEN: usize = 1024;
/// Most bytes of a value; 0 is a value too.
pub const MAX_VALUE_LEN: usize = 1024 * 1024;
/// Most bytes of a request id. A record may lack one; the engine refuses to write such a record.
pub const MAX_REQUEST_ID_LEN: usize = 4096;

/// Which limit these lengths in bytes break, if any: the key's, the value's, the request id's, in this order.
pub const fn exceeded(key: usize, value: usize, request_id: usize) -> Option<&'static str> {
    if key > MAX_KEY_LEN {
        Some("the key is longer than 1,024 bytes")
    } else if value > MAX_VALUE_LEN {
        Some("the value is longer than 1,048,576 bytes")
    } else if request_id > MAX_REQUEST_ID_LEN {
        Some("the request id is longer than 4,096 bytes")
    } else {
        None
    }
}

/// Whether key, value and request id keep within their limits. An empty request id does.
pub const fn within(key: &[u8], value: &[u8], request_id: &[u8]) -> bool {
    exceeded(key.len(), value.len(), request_id.len()).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_met_by_its_length_and_broken_by_one_byte_more() {
        assert_eq!(exceeded(0, 0, 0), None);
        assert_eq!(exceeded(MAX_KEY_LEN, MAX_VALUE_LEN, MAX_REQUEST_ID_LEN), None);
        let broken = |key, value, id| exceeded(key, value, id).map(|why| why.split(' ').nth(1));
        assert_eq!(broken(1_025, usize::MAX, usize::MAX), Some(Some("key")));
        assert_eq!(broken(0, 1_048_577, usize::MAX), Some(Some("value")));
        assert_eq!(broken(0, 0, 4_097), Some(Some("request")));
        assert!(within(b"", b"", b"") && !within(&[0; 1_025], b"", b""));
    }
}
