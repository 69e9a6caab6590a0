//! Behind the traits of the crate `aead`, our kernels and RustCrypto's cipher agree: same bytes, same
//! refusals.

use aead::inout::InOutBuf;
use aead::{AeadInOut, Key, KeyInit, Nonce, Tag};
use aes_gcm::AesGcm;
use aes_gcm::aead::consts::{U12, U16};
use sealmark::aead::traits::{Aes128Gcm, Aes192Gcm, Aes256Gcm};

const LENGTHS: [usize; 12] = [0, 1, 15, 16, 17, 63, 64, 255, 256, 1_000, 1_793, 20_000];

fn sealed<C: AeadInOut>(cipher: &C, nonce: &Nonce<C>, aad: &[u8], message: &[u8]) -> (Vec<u8>, Tag<C>) {
    let mut text = message.to_vec();
    let tag = cipher.encrypt_inout_detached(nonce, aad, text.as_mut_slice().into()).expect("not too long");
    (text, tag)
}

/// Compares two ciphers of the same sizes; returns the number of messages that went both ways.
fn agree<Ours, Theirs>() -> usize
where
    Ours: AeadInOut<NonceSize = U12, TagSize = U16> + KeyInit,
    Theirs: AeadInOut<NonceSize = U12, TagSize = U16> + KeyInit<KeySize = Ours::KeySize>,
{
    let mut key = Key::<Ours>::default();
    key.iter_mut().zip(1..).for_each(|(byte, value)| *byte = value);
    let (ours, theirs) = (Ours::new(&key), Theirs::new(&key));
    for len in LENGTHS {
        let nonce = [len as u8; 12].into();
        let message: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
        let (text, tag) = sealed(&ours, &nonce, b"header", &message);
        assert_eq!((text.clone(), tag), sealed(&theirs, &nonce, b"header", &message), "{len}");

        // Into another buffer: the input is unchanged.
        let mut apart = vec![0xee; len];
        let buffer = InOutBuf::new(&message, &mut apart).expect("as long");
        assert_eq!(ours.encrypt_inout_detached(&nonce, b"header", buffer), Ok(tag));
        assert_eq!(apart, text);
        let mut opened = vec![0xee; len];
        let buffer = InOutBuf::new(&text, &mut opened).expect("as long");
        assert_eq!(ours.decrypt_inout_detached(&nonce, b"header", buffer, &tag), Ok(()));
        assert_eq!(opened, message);
        let by_theirs = |text: &mut [u8], tag: &Tag<Theirs>| {
            theirs.decrypt_inout_detached(&nonce, b"header", text.into(), tag)
        };
        let mut in_place = text.clone();
        assert_eq!(by_theirs(&mut in_place, &tag), Ok(()));
        assert_eq!(in_place, message);

        let mut forged = tag;
        forged[len % 16] ^= 1;
        let mut in_place = text.clone();
        assert_eq!(by_theirs(&mut in_place, &forged), Err(aead::Error));
        let buffer = InOutBuf::new(&text, &mut opened).expect("as long");
        assert_eq!(ours.decrypt_inout_detached(&nonce, b"header", buffer, &forged), Err(aead::Error));
        assert_eq!(opened, vec![0; len], "nothing of a refused message is left");
    }
    LENGTHS.len()
}

#[test]
fn our_ciphers_and_rustcryptos_agree_through_the_same_trait() {
    let seen = agree::<Aes128Gcm, AesGcm<aes::Aes128, U12>>()
        + agree::<Aes192Gcm, AesGcm<aes::Aes192, U12>>()
        + agree::<Aes256Gcm, AesGcm<aes::Aes256, U12>>();
    assert_eq!(seen, 3 * LENGTHS.len());
}

#[test]
fn a_key_of_another_length_is_refused_by_the_traits_too() {
    assert!(Aes256Gcm::new_from_slice(&[1; 32]).is_ok());
    for len in [0, 16, 24, 31, 33] {
        assert_eq!(Aes256Gcm::new_from_slice(&vec![1; len]).map(drop), Err(aead::common::InvalidLength));
    }
}
