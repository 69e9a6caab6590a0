//! The envelope floor as a whole: any record, any altered record, any number of threads.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use proptest::prelude::*;
use sealmark::aead::{self, Alg, Nonce, Tag};
use sealmark::engine::double::{Call, FaultyEngine};
use sealmark::engine::{self, Engine, Residue};
use sealmark::envelope::aad::{STACK_KEY_LEN, pebble_key};
use sealmark::envelope::record::{self, VERSION};
use sealmark::envelope::{
    Aad, Cipher, Error, HEADER_LEN, Header, Keystore, NonceSource, OVERHEAD, Record, Unsealed,
};

const KEY_ID: u32 = 7;
const VALUE_HEADER: [u8; 9] = [2, 1, 0, 0, 0, 0, 0, 0, 0];

fn sealmark() -> &'static dyn Engine {
    engine::find("sealmark").expect("our own engine is always there")
}

fn cipher_of(engine: &'static dyn Engine) -> Cipher {
    let keystore = Keystore::new(engine);
    keystore.set(KEY_ID, &[0x5a; 32]).expect("a good key");
    Arc::new(keystore).into()
}

/// The inputs of one sealed record.
#[derive(Clone, Debug)]
struct Sample {
    flag: u8,
    nonce: Nonce,
    value_header: [u8; 9],
    pebble_key: Vec<u8>,
    plaintext: Vec<u8>,
}

impl Sample {
    fn aad(&self) -> Aad<'_> {
        Aad::Storage { value_header: &self.value_header, pebble_key: &self.pebble_key }
    }

    fn header(&self) -> Header {
        Header { flag: self.flag, key_id: KEY_ID, nonce: self.nonce }
    }
}

fn samples() -> impl Strategy<Value = Sample> {
    let bytes = |len| proptest::collection::vec(any::<u8>(), 0..len);
    (any::<u8>(), any::<Nonce>(), any::<[u8; 9]>(), bytes(40), any::<u64>(), bytes(300)).prop_map(
        |(flag, nonce, value_header, user_key, commit_ts, plaintext)| Sample {
            flag,
            nonce,
            value_header,
            pebble_key: pebble_key(&user_key, commit_ts),
            plaintext,
        },
    )
}

proptest! {
    #[test]
    fn the_codec_round_trips_and_refuses_every_truncated_length(
        flag: u8, key_id: u32, nonce: Nonce, body in proptest::collection::vec(any::<u8>(), 16..80), version: u8,
    ) {
        let header = Header { flag, key_id, nonce };
        let mut bytes = vec![0; HEADER_LEN + body.len()];
        prop_assert_eq!(record::encode(VERSION, &header, &body, &mut bytes), Ok(bytes.len()));
        prop_assert_eq!(Record::decode(&bytes), Ok(Record { header, body: &body }));
        for len in 0..bytes.len() {
            let decoded = Record::decode(&bytes[..len]);
            if len < OVERHEAD {
                prop_assert_eq!(decoded, Err(Error::EnvelopeShort));
            } else {
                prop_assert_eq!(decoded, Ok(Record { header, body: &body[..len - HEADER_LEN] }));
            }
        }
        bytes[0] = version;
        prop_assert_eq!(Record::decode(&bytes).is_ok(), version == VERSION);
    }

    #[test]
    fn a_sealed_record_opens_with_every_call(sample in samples()) {
        let cipher = cipher_of(sealmark());
        let mut record = vec![0; sample.plaintext.len() + OVERHEAD];
        let len = cipher.seal_into(&sample.header(), &sample.aad(), &sample.plaintext, &mut record);
        prop_assert_eq!(len, Ok(record.len()));
        let allocated =
            cipher.seal(sample.flag, KEY_ID, &sample.nonce, &sample.aad(), &sample.plaintext);
        prop_assert_eq!(allocated.as_ref(), Ok(&record));
        prop_assert_eq!(cipher.open(&record, &sample.aad()), Ok(sample.plaintext.clone()));
        prop_assert_eq!(cipher.open_in_place(&mut record, &sample.aad()).map(|p| p.to_vec()), Ok(sample.plaintext));
    }

    #[test]
    fn any_flipped_bit_of_the_record_or_its_aad_is_refused(
        sample in samples(), at: prop::sample::Index, bit in 0..8,
    ) {
        let cipher = cipher_of(sealmark());
        let record = cipher.seal(sample.flag, KEY_ID, &sample.nonce, &sample.aad(), &sample.plaintext).unwrap();
        let mut moved = sample.clone();
        let mut altered = record.clone();
        let bound = 9 + moved.pebble_key.len();
        let at = at.index(bound + record.len());
        let byte = if at < 9 {
            &mut moved.value_header[at]
        } else if at < bound {
            &mut moved.pebble_key[at - 9]
        } else {
            &mut altered[at - bound]
        };
        *byte ^= 1u8 << bit;
        let expected = match at.checked_sub(bound) {
            Some(0) => Error::EnvelopeVersion(altered[0]),
            Some(2..6) => Error::UnknownKeyId(u32::from_be_bytes(altered[2..6].try_into().unwrap())),
            _ => Error::Integrity,
        };
        prop_assert_eq!(cipher.open(&altered, &moved.aad()), Err(expected));
        let before = altered.clone();
        prop_assert_eq!(cipher.open_in_place(&mut altered, &moved.aad()), Err(expected));
        if expected == Error::Integrity {
            let end = altered.len() - 16;
            prop_assert!(altered[HEADER_LEN..end].iter().all(|b| *b == 0));
        } else {
            prop_assert_eq!(altered, before);
        }
    }

    #[test]
    fn a_batch_writes_the_records_that_single_calls_write(
        batch in proptest::collection::vec(samples(), 0..40), long in 0..3usize, raft: bool,
    ) {
        let mut batch = batch;
        for sample in batch.iter_mut().take(long) {
            sample.pebble_key = vec![1; 5000];
        }
        let aad = |s: &Sample| if raft { Aad::Raft.to_vec(0, KEY_ID) } else { s.aad().to_vec(s.flag, KEY_ID) };
        let cipher = cipher_of(sealmark());
        let mut outs: Vec<_> = batch.iter().map(|s| vec![0xee; s.plaintext.len() + OVERHEAD + 1]).collect();
        let mut messages: Vec<_> = batch.iter().zip(&mut outs).map(|(s, out)| Unsealed {
            flag: s.flag,
            aad: if raft { Aad::Raft } else { s.aad() },
            plaintext: &s.plaintext,
            out,
        }).collect();
        cipher.seal_many(KEY_ID, &NonceSource::new(1, 2), &mut messages).unwrap();
        let nonces = NonceSource::new(1, 2);
        for (s, out) in batch.iter().zip(&mut outs) {
            prop_assert_eq!(out.pop(), Some(0xee));
            let header = Header::decode(out).unwrap();
            prop_assert_eq!(header, Header {
                flag: if raft { 0 } else { s.flag }, key_id: KEY_ID, nonce: nonces.next().unwrap(),
            });
            let opened = cipher.open_body(KEY_ID, &header.nonce, &aad(s), &mut out[HEADER_LEN..]).unwrap();
            prop_assert_eq!(opened, &s.plaintext);
        }
    }
}

#[test]
fn keys_longer_than_the_stack_buffer_seal_and_open_too() {
    let cipher = cipher_of(sealmark());
    for len in [STACK_KEY_LEN - 1, STACK_KEY_LEN, STACK_KEY_LEN + 1, 100_000] {
        let key = vec![9; len];
        let aad = Aad::Storage { value_header: &VALUE_HEADER, pebble_key: &key };
        let record = cipher.seal(0, KEY_ID, &[1; 12], &aad, b"value").unwrap();
        assert_eq!(cipher.open(&record, &aad).unwrap(), b"value");
        let shorter = Aad::Storage { value_header: &VALUE_HEADER, pebble_key: &key[1..] };
        assert_eq!(cipher.open(&record, &shorter), Err(Error::Integrity));
    }
}

/// An engine that leaves unauthenticated plaintext behind, and cannot seal messages that begin with `!`.
static LEAKY: FaultyEngine =
    FaultyEngine::new("leaky").with_residue(Residue::Plaintext).with_calls(&|sound, call| {
        let ciphertext = call.in_out().to_vec();
        match call {
            Call::Seal { in_out: [b'!', ..], .. } => Err(aead::Error::MessageTooLong),
            Call::Seal { .. } => call.run(sound),
            Call::Open { .. } => {
                let opened = call.run(sound);
                if let (Err(_), Call::Open { iv, aad, in_out, .. }) = (opened, call) {
                    in_out.copy_from_slice(&ciphertext);
                    sound.seal_iv(iv, aad, in_out, &mut Tag::default())?;
                }
                opened
            }
        }
    });

#[test]
fn a_refused_open_leaves_no_plaintext_though_the_engine_does() {
    let cipher = cipher_of(&LEAKY);
    let mut record = cipher.seal(0, KEY_ID, &[1; 12], &Aad::Raft, b"attack at dawn").unwrap();
    assert_eq!(cipher.open(&record, &Aad::Raft).unwrap(), b"attack at dawn");
    *record.last_mut().unwrap() ^= 1;

    let key = LEAKY.key(Alg::Aes256Gcm, &[0x5a; 32]).unwrap();
    let mut left = record[HEADER_LEN..record.len() - 16].to_vec();
    assert_eq!(key.open(&[1; 12], b"", &mut left, &Tag::default()), Err(aead::Error::NotAuthentic));
    assert_eq!(left, b"attack at dawn", "the engine of this test leaks");

    let (header, body) = (record[..HEADER_LEN].to_vec(), &mut record[HEADER_LEN..].to_vec());
    assert_eq!(cipher.open_body(KEY_ID, &[1; 12], b"", body), Err(Error::Integrity));
    assert_eq!(body[..14], [0; 14]);
    assert_eq!(cipher.open_in_place(&mut record, &Aad::Raft), Err(Error::Integrity));
    assert_eq!((&record[..HEADER_LEN], &record[HEADER_LEN..32]), (&header[..], &[0; 14][..]));
}

#[test]
fn a_refused_seal_leaves_no_plaintext_in_any_buffer() {
    let cipher = cipher_of(&LEAKY);
    let refused = Err(Error::Aead(aead::Error::MessageTooLong));
    let header = Header { flag: 0, key_id: KEY_ID, nonce: [1; 12] };
    let mut out = [0xee; 41];
    assert_eq!(cipher.seal_into(&header, &Aad::Raft, b"!secret", &mut out).map(|_| ()), refused);
    assert_eq!(out, [0; 41]);

    let plaintexts: Vec<_> = (0..20).map(|i| if i == 18 { b"!secret" } else { b"asecret" }).collect();
    let mut outs = vec![[0xee; 41]; 20];
    let mut messages: Vec<_> = plaintexts
        .iter()
        .zip(&mut outs)
        .map(|(plaintext, out)| Unsealed { flag: 0, aad: Aad::Raft, plaintext: &plaintext[..], out })
        .collect();
    assert_eq!(cipher.seal_many(KEY_ID, &NonceSource::new(1, 1), &mut messages), refused);
    assert_eq!(outs, vec![[0; 41]; 20]);
}

#[test]
fn a_batch_checks_its_buffers_before_it_takes_a_nonce() {
    let (cipher, nonces) = (cipher_of(sealmark()), NonceSource::new(1, 1));
    let (mut good, mut short) = ([0xee; 35], [0xee; 34]);
    let mut messages = [
        Unsealed { flag: 0, aad: Aad::Raft, plaintext: b"a", out: &mut good },
        Unsealed { flag: 0, aad: Aad::Raft, plaintext: b"b", out: &mut short },
    ];
    assert_eq!(cipher.seal_many(0, &nonces, &mut messages), Err(Error::ReservedKeyId));
    assert_eq!(cipher.seal_many(8, &nonces, &mut messages), Err(Error::UnknownKeyId(8)));
    assert_eq!(Cipher::default().seal_many(0, &nonces, &mut messages), Err(Error::NilKeystore));
    assert_eq!(cipher.seal_many(KEY_ID, &nonces, &mut messages), Err(Error::BufferTooSmall));
    assert_eq!((nonces.issued(), good, short), (0, [0xee; 35], [0xee; 34]));
}

#[test]
fn a_batch_that_runs_out_of_nonces_leaves_no_record() {
    let (cipher, nonces) = (cipher_of(sealmark()), NonceSource::after(1, 1, u64::MAX - 2));
    let mut outs = vec![[0xee; 40]; 3];
    let mut messages: Vec<_> =
        outs.iter_mut().map(|out| Unsealed { flag: 0, aad: Aad::Raft, plaintext: b"secret", out }).collect();
    assert_eq!(cipher.seal_many(KEY_ID, &nonces, &mut messages), Err(Error::WriteCountExhausted));
    assert_eq!(outs, vec![[0; 40]; 3]);
}

#[test]
fn no_nonce_repeats_across_threads_or_follows_the_last() {
    for (left, before) in [(4000, u64::MAX - 4000), (u64::MAX, 0), (u64::MAX, (1 << 63) - 2001)] {
        let source = NonceSource::after(3, 4, before);
        let issued: Vec<Nonce> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let mut refused = false;
                        let mut nonces = Vec::new();
                        for turn in 0..1000 {
                            // Every other turn takes a run of nonces, which may stop in the middle or at the
                            // end.
                            let run = NonZeroU32::new(1 + turn % 2 * 2).expect("never 0");
                            match source.take(run) {
                                Ok(run) => {
                                    assert!(!refused, "a nonce came after the last");
                                    nonces.extend(run);
                                }
                                Err(error) => {
                                    assert_eq!(error, Error::WriteCountExhausted);
                                    refused = true;
                                }
                            }
                        }
                        nonces
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let unique: HashSet<_> = issued.iter().collect();
        assert_eq!(issued.len(), unique.len());
        assert_eq!(issued.len() as u64, source.issued());
        if left == 4000 {
            assert_eq!(issued.len(), 4000);
        } else {
            assert!((15_900..=16_000).contains(&issued.len()), "{} issued", issued.len());
        }
        assert!(issued.iter().all(|n| n[..4] == [0, 3, 0, 4]));
        let counts = issued.iter().map(|n| u64::from_be_bytes(n[4..].try_into().unwrap()));
        assert_eq!(counts.clone().min(), Some(before + 1));
        assert_eq!(counts.max(), Some(before + issued.len() as u64));
        match source.next() {
            Ok(_) => assert_ne!(left, 4000),
            Err(error) => assert_eq!((error, left), (Error::WriteCountExhausted, 4000)),
        }
    }
}

/// The only data key that the writers of the test below set under that id.
fn dek_of(id: u32) -> [u8; 32] {
    [id as u8; 32]
}

#[test]
fn readers_see_whole_keys_while_writers_set_and_delete() {
    let keystore = Keystore::new(sealmark());
    keystore.set(1, &dek_of(1)).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = 0u32;
                    while !stop.load(Ordering::Relaxed) || seen == 0 {
                        let keys = keystore.keys();
                        assert!(keys.dek(1).is_some(), "a key that no one deletes stays");
                        for id in keys.ids() {
                            assert_eq!(keys.dek(id), Some(&dek_of(id)));
                            let (mut ours, mut theirs) = (Tag::default(), Tag::default());
                            keys.find(id).unwrap().seal(&[0; 12], b"", &mut [], &mut ours).unwrap();
                            let fresh = sealmark().key(Alg::Aes256Gcm, &dek_of(id)).unwrap();
                            fresh.seal(&[0; 12], b"", &mut [], &mut theirs).unwrap();
                            assert_eq!(ours.0, theirs.0);
                            seen += 1;
                        }
                    }
                })
            })
            .collect();
        let writers: Vec<_> = (0..3u32)
            .map(|writer| {
                let keystore = &keystore;
                scope.spawn(move || {
                    for turn in 0..200 {
                        let own = 10 + writer;
                        keystore.set(own, &dek_of(own)).unwrap();
                        assert!(keystore.keys().find(own).is_ok(), "no one else deletes it");
                        keystore.set(30 + turn % 5, &dek_of(30 + turn % 5)).unwrap();
                        keystore.delete(30 + (turn + 2) % 5);
                        keystore.delete(own);
                        let gone = keystore.keys().find(own).err();
                        assert_eq!(gone, Some(Error::UnknownKeyId(own)), "no one else sets it");
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        stop.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    assert!(keystore.ids().iter().all(|id| *id == 1 || (30..35).contains(id)));
}

#[test]
fn exactly_one_thread_can_set_an_id_to_its_bytes() {
    for _ in 0..50 {
        let keystore = Keystore::new(sealmark());
        let results: Vec<_> = thread::scope(|scope| {
            let keystore = &keystore;
            let threads: Vec<_> =
                (0..4u8).map(|byte| scope.spawn(move || keystore.set(5, &[byte; 32]))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let winner = results.iter().position(|r| r.is_ok()).expect("one thread sets it") as u8;
        assert_eq!(results.iter().filter(|r| **r == Err(Error::KeyConflict(5))).count(), 3);
        assert_eq!(keystore.keys().dek(5), Some(&[winner; 32]));
    }
}
