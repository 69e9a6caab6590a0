//! Stored values read back, expire, shrink, and are refused.

use super::*;
use crate::scheme::storage::testing::keystore;
use crate::scheme::storage::{SEALED_OVERHEAD, Sidecar};

fn sealer(limit: u64) -> Sealer {
    let sidecar = Sidecar { active_storage: 7, storage_envelope_active: true, ..Sidecar::default() };
    let cache = Arc::new(StateCache::of(&sidecar));
    let nonces = Arc::new(NonceSource::new(1, 1));
    Sealer::new(keystore(&[7]).into(), nonces, cache, Arc::new(Budget::new(limit)))
}

fn sealed(sealer: &Sealer, expire_at: u64, value: &[u8]) -> Vec<u8> {
    let mut out = vec![0; value.len() + SEALED_OVERHEAD];
    let len = sealer.seal_into(b"user", 9, expire_at, value, Origin::Direct, &mut out).unwrap();
    out.truncate(len);
    out
}

fn read_back(sealer: &Sealer, stored: &[u8]) -> Result<Read, Error> {
    read(Some(sealer.cipher()), Clear::Allowed, &pebble_key(b"user", 9), stored)
}

#[test]
fn a_value_reads_back_with_its_key_and_an_empty_one_is_present() {
    let sealer = sealer(10);
    for value in [&b""[..], b"value"] {
        let read = read_back(&sealer, &sealed(&sealer, 0, value)).unwrap();
        assert_eq!((read.key_id, &read.value[..]), (Some(7), value));
        assert_eq!(read.visible(u64::MAX), Some(value.to_vec()));
    }
}

#[test]
fn a_value_expires_at_its_time_and_only_if_it_is_authentic() {
    let sealer = sealer(10);
    let mut stored = sealed(&sealer, 100, b"value");
    assert!(read_back(&sealer, &stored).unwrap().visible(99).is_some());
    assert!(read_back(&sealer, &stored).unwrap().visible(100).is_none());
    stored[1] = 99;
    assert_eq!(read_back(&sealer, &stored).unwrap_err().spec_name(), "ErrEncryptedReadIntegrity");
}

#[test]
fn a_tombstone_is_not_visible_and_is_accepted_when_clear_values_are_not() {
    let mut out = [0; VALUE_HEADER_LEN];
    assert_eq!(Sealer::tombstone_into(b"user", 9, &mut out).unwrap(), VALUE_HEADER_LEN);
    let (sealer, key) = (sealer(10), pebble_key(b"user", 9));
    assert_eq!(read(Some(sealer.cipher()), Clear::Refused, &key, &out).unwrap().visible(0), None);
    let clear = [&[0; VALUE_HEADER_LEN][..], b"value"].concat();
    let refused = read(Some(sealer.cipher()), Clear::Refused, &key, &clear);
    assert!(matches!(refused, Err(Error::ClearValue)));
    assert_eq!(read_back(&sealer, &clear).unwrap().key_id, None);
}

#[test]
fn compression_shortens_repetitive_values_and_a_relabelled_compressed_value_is_refused() {
    let sealer = sealer(10).compressing(true);
    let text = b"again and again, ".repeat(60);
    let mut stored = sealed(&sealer, 0, &text);
    assert!(stored.len() < text.len());
    assert_eq!(stored[VALUE_HEADER_LEN + 1], FLAG_SNAPPY);
    assert_eq!(read_back(&sealer, &stored).unwrap().value, text);
    stored[0] = 0;
    stored[VALUE_HEADER_LEN] = 9;
    assert!(matches!(read_back(&sealer, &stored), Err(Error::ReadIntegrity)));
    // If no plaintext value is accepted, no key is tried; trying one would report the value as relabelled.
    let refused = read(Some(sealer.cipher()), Clear::Refused, &pebble_key(b"user", 9), &stored).unwrap_err();
    assert!(matches!(refused, Error::ClearValue), "{refused}");
    assert_eq!(refused.spec_name(), "ErrEncryptedReadIntegrity");
    let noise = sealed(&sealer, 0, b"x");
    assert_eq!((noise[VALUE_HEADER_LEN + 1], noise.len()), (0, 1 + SEALED_OVERHEAD));
}

#[test]
fn a_used_up_key_seals_nothing_more_for_clients() {
    let sealer = sealer(2);
    assert_eq!(sealer.usage(), Use::Within);
    sealed(&sealer, 0, b"1");
    sealed(&sealer, 0, b"2");
    assert_eq!(sealer.usage(), Use::UsedUp);
    let mut out = [0; 1 + SEALED_OVERHEAD];
    let refused = sealer.seal_into(b"user", 9, 0, b"3", Origin::Direct, &mut out);
    assert!(matches!(refused, Err(Error::KeyUsedUp(7))));
    assert_eq!(out, [0; 1 + SEALED_OVERHEAD]);
    sealer.seal_into(b"user", 9, 0, b"3", Origin::Replicated, &mut out).unwrap();
    assert_eq!(sealer.writes(), [(7, 3)].into(), "replicated values are sealed and counted");
}

#[test]
fn a_clients_plaintext_value_that_begins_like_a_record_reads_back() {
    let sealer = sealer(10);
    let value = [&[1, 0, 0, 0, 0, 7][..], &[9; 40]].concat();
    let clear = [&ValueHeader::default().encode()[..], &value].concat();
    let read = read_back(&sealer, &clear).unwrap();
    assert_eq!((read.key_id, read.value), (None, value));
}

#[test]
fn a_user_key_under_the_prefix_and_a_short_buffer_are_refused_and_a_long_key_is_not() {
    let sealer = sealer(10);
    let mut out = [0; 5 + SEALED_OVERHEAD];
    let mut seal = |key: &[u8], len: usize| {
        sealer.seal_into(key, 9, 0, b"value", Origin::Direct, &mut out[..len]).map_err(|e| e.to_string())
    };
    assert!(seal(b"!encryption|writers|mine", 5 + SEALED_OVERHEAD).unwrap_err().contains("reserved"));
    let long = vec![b'k'; STACK_KEY_LEN];
    assert!(seal(b"key", 4 + SEALED_OVERHEAD).is_err() && seal(b"key", 3).is_err());
    assert_eq!(seal(&long, 5 + SEALED_OVERHEAD), Ok(5 + SEALED_OVERHEAD));
    assert_eq!(
        read(Some(sealer.cipher()), Clear::Allowed, &pebble_key(&long, 9), &out).unwrap().value,
        b"value"
    );
}

/// The registry's row of key 5 and node 7, as a user would have to write it.
#[test]
fn no_call_creates_a_stored_value_in_the_place_of_a_registry_row() {
    let (user_key, row) = (&b"!encryption|writers"[..], registry::encode_key(5, 7));
    let commit_ts = !u64::from_be_bytes(row[19..].try_into().unwrap());
    assert_eq!(pebble_key(user_key, commit_ts), row);
    let (sealer, form) = (sealer(10), Form::Sealed(NonZeroU32::new(7).unwrap()));
    let mut out = [0; 5 + SEALED_OVERHEAD];
    for (what, made) in [
        ("direct", sealer.seal_into(user_key, commit_ts, 0, b"value", Origin::Direct, &mut out)),
        ("replicated", sealer.seal_into(user_key, commit_ts, 0, b"value", Origin::Replicated, &mut out)),
        ("sealed", sealer.seal_as(form, user_key, commit_ts, 0, b"value", &mut out)),
        ("clear", sealer.seal_as(Form::Clear, user_key, commit_ts, 0, b"value", &mut out)),
        ("tombstone", Sealer::tombstone_into(user_key, commit_ts, &mut out)),
    ] {
        assert!(matches!(made, Err(Error::ReservedPrefix)), "{what}: {made:?}");
    }
    assert_eq!((out, sealer.writes().len()), ([0; 5 + SEALED_OVERHEAD], 0));
    sealer.seal_into(user_key, 9, 0, b"value", Origin::Direct, &mut out).expect("at any other time");
}

#[test]
fn two_threads_under_two_keys_each_count_for_their_own_key() {
    const EACH: u64 = 20_000;
    let sidecar = Sidecar { active_storage: 7, storage_envelope_active: true, ..Sidecar::default() };
    let (cache, nonces) = (Arc::new(StateCache::of(&sidecar)), Arc::new(NonceSource::new(1, 1)));
    let sealer = Sealer::new(keystore(&[7, 8]).into(), nonces, cache, Arc::default());
    std::thread::scope(|scope| {
        for key_id in [7, 8] {
            let (sealer, form) = (&sealer, Form::Sealed(NonZeroU32::new(key_id).unwrap()));
            scope.spawn(move || {
                let mut out = [0; 1 + SEALED_OVERHEAD];
                for ts in 0..EACH {
                    sealer.seal_as(form, b"user", ts, 0, b"v", &mut out).unwrap();
                }
            });
        }
    });
    assert_eq!(sealer.writes(), [(7, EACH), (8, EACH)].into());
}
