//! Every frame's layout, byte by byte, and its refusals.

use super::*;

const KEY: [u8; 32] = [0x11; 32];

fn hello() -> Hello {
    let (random, echo) = ([0x22; 32], [0x33; 32]);
    Hello { sender: 0x0102_0304, receiver: 0x0506_0708, x25519: KEY, random, echo, signature: [0x44; 64] }
}

#[test]
fn the_references_exchanges_have_their_published_layout() {
    let pilk = pilk(0x0102_0304, &KEY);
    assert_eq!(pilk[..8], *b"PILK\x01\x02\x03\x04");
    assert_eq!(pilk[8..], KEY);
    let pila = pila(0x0102_0304, &KEY, &[0x22; 32], &[0x33; 64]);
    assert_eq!(pila[..8], *b"PILA\x01\x02\x03\x04");
    assert_eq!((&pila[8..40], &pila[40..72], &pila[72..]), (&KEY[..], &[0x22; 32][..], &[0x33; 64][..]));
    let message = signed_message(0x0102_0304, &KEY);
    assert_eq!((&message[..8], &message[8..]), (&b"auth\x01\x02\x03\x04"[..], &KEY[..]));
    assert_eq!(punch(7), *b"PILP\0\0\0\x07");
}

#[test]
fn decoding_gives_back_what_was_encoded_and_ignores_what_follows_an_exchange() {
    let authenticated =
        Frame::Authenticated { node_id: 9, x25519: KEY, ed25519: [0x22; 32], signature: [0x33; 64] };
    for trailing in [&[][..], b"varints"] {
        let longer = [&pila(9, &KEY, &[0x22; 32], &[0x33; 64])[..], trailing].concat();
        assert_eq!(Frame::decode(&longer), Ok(authenticated));
        let longer = [&pilk(9, &KEY)[..], trailing].concat();
        assert_eq!(Frame::decode(&longer), Ok(Frame::Unauthenticated { node_id: 9, x25519: KEY }));
    }
    assert_eq!(Frame::decode(&punch(9)), Ok(Frame::Punch { sender: 9 }));
    assert_eq!(Frame::decode(b"PILT"), Ok(Frame::Plain(b"")));
    assert_eq!(Frame::decode(b"PILTmessage"), Ok(Frame::Plain(b"message")));
    assert_eq!(Frame::decode(&hello().encode()), Ok(Frame::Hello(hello())));
}

#[test]
fn a_frame_that_is_one_byte_short_is_refused() {
    let whole: [&[u8]; 6] = [
        &pila(9, &KEY, &KEY, &[0x33; 64]),
        &pilk(9, &KEY),
        &punch(9),
        &hello().encode(),
        &[&PILS[..], &[0; 32]].concat(),
        &[&SMTD[..], &[1], &[0; 32]].concat(),
    ];
    for frame in whole {
        assert!(Frame::decode(frame).is_ok());
        for len in 5..frame.len() {
            assert_eq!(Frame::decode(&frame[..len]), Err(Error::TooShort), "{len} of {}", frame.len());
        }
        for len in 0..4 {
            assert_eq!(Frame::decode(&frame[..len]), Err(Error::NotATunnelFrame));
        }
    }
}

#[test]
fn a_hello_has_one_length_one_version_and_a_signature_over_every_field() {
    let frame = hello().encode();
    assert_eq!(frame.len(), 173);
    assert_eq!(frame[..13], *b"SMTH\x01\x01\x02\x03\x04\x05\x06\x07\x08");
    let longer = [&frame[..], &[0]].concat();
    assert_eq!(Hello::decode(&longer), Err(Error::NotATunnelFrame));
    let mut other = frame;
    other[4] = 2;
    assert_eq!((kind(&other), Hello::decode(&other)), (None, Err(Error::NotATunnelFrame)));
    let signed = hello().signed();
    assert_eq!((&signed[..24], &signed[24..]), (&b"sealmark/tunnel/hello/v1"[..], &frame[..109]));
}

#[test]
fn sealed_headers_have_their_layout_and_round_trip() {
    let header = Header::new(0x0102_0304, *b"pref", 0x0a0b);
    let mut frame = [0xff; PILS_OVERHEAD];
    header.encode_into(&mut frame);
    assert_eq!(frame[..20], *b"PILS\x01\x02\x03\x04pref\0\0\0\0\0\0\x0a\x0b");
    assert_eq!(Header::decode(&frame), Ok(header));
    assert_eq!((header.prefix(), header.counter()), (*b"pref", 0x0a0b));
    let header = DataHeader { sender: 0x0102_0304, session: *b"name", counter: u64::MAX - 1 };
    let mut frame = [0xff; DATA_OVERHEAD];
    header.encode_into(&mut frame);
    assert_eq!(frame[..21], *b"SMTD\x01\x01\x02\x03\x04name\xff\xff\xff\xff\xff\xff\xff\xfe");
    assert_eq!(DataHeader::decode(&frame), Ok(header));
    assert_eq!(header.nonce(), *b"\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xfe");
    assert_eq!(Header::decode(&frame), Err(Error::NotATunnelFrame));
}

#[test]
fn a_reference_peer_knows_no_hardened_magic() {
    for magic in [SMTH, SMTD] {
        assert!(![PILT, PILS, PILK, PILA, PILP].contains(&magic));
        assert_eq!(kind(&magic), None, "without a version it is nobody's");
    }
    assert_eq!(kind(b"HTTP/1.1"), None);
}
