use sealmark::aead::*;
#[test]
fn kat() {
    for b in BACKENDS {
        if !b.available() {
            continue;
        }
        for alg in Alg::ALL {
            for len in 0..600usize {
                for aadlen in [0usize, 1, 13, 16, 17, 100, 200] {
                    let kb: Vec<u8> = (0..alg.key_len()).map(|i| (i * 7 + len) as u8).collect();
                    let k = b.key(alg, &kb).unwrap();
                    let msg: Vec<u8> = (0..len).map(|i| (i * 31 + 3) as u8).collect();
                    let aad = vec![5u8; aadlen];
                    let mut m = msg.clone();
                    let mut t = Tag::default();
                    k.seal(&[9; 12], &aad, &mut m, &mut t).unwrap();
                    // peer
                    use aws_lc_rs::aead as r;
                    let a = match alg {
                        Alg::Aes128Gcm => &r::AES_128_GCM,
                        Alg::Aes192Gcm => &r::AES_192_GCM,
                        _ => &r::AES_256_GCM,
                    };
                    let rk = r::LessSafeKey::new(r::UnboundKey::new(a, &kb).unwrap());
                    let mut m2 = msg.clone();
                    let t2 = rk
                        .seal_in_place_separate_tag(
                            r::Nonce::assume_unique_for_key([9; 12]),
                            r::Aad::from(&aad),
                            &mut m2,
                        )
                        .unwrap();
                    assert_eq!(m, m2, "{} {alg:?} {len} {aadlen}", b.name);
                    assert_eq!(t.0, t2.as_ref(), "tag {} {alg:?} {len} {aadlen}", b.name);
                    k.open(&[9; 12], &aad, &mut m, &t).unwrap();
                    assert_eq!(m, msg);
                }
            }
        }
    }
}
