//! The adapter's own tests, and its cost beside a direct call.

// The sampler is part of the command.
#![cfg(feature = "cli")]

use std::hint::black_box;

use super::library::{init_mb_mgr_avx2, init_mb_mgr_avx512, init_mb_mgr_sse};
use super::*;
use crate::engine::find;
use crate::timing::{Clock, Sampler, Timed, pin};

#[test]
fn the_version_names_the_library_and_its_code() {
    let version = IpsecMb.version();
    assert!(version.starts_with("intel-ipsec-mb ") && version.ends_with(')'), "{version}");
}

/// The loader compares names; another code for another CPU must have names that it knows, or the engine would
/// be missing there.
#[test]
fn each_code_of_the_library_has_the_functions_where_they_are_expected() {
    let mut seen = 0;
    for (init, here) in [
        (init_mb_mgr_sse as unsafe extern "C" fn(_), is_x86_feature_detected!("pclmulqdq")),
        (init_mb_mgr_avx2, is_x86_feature_detected!("avx2")),
        (init_mb_mgr_avx512, is_x86_feature_detected!("avx512bw")),
    ] {
        if here {
            // Leaked, as the library of the engine is.
            let library = Box::leak(Box::new(Library::load(init).unwrap()));
            assert!(!library.code.contains("update"), "{}", library.code);
            seals_like_ours(library);
            seen += 1;
        }
    }
    assert!(seen >= 1);
}

fn seals_like_ours(library: &'static Library) {
    for alg in Alg::ALL {
        let bytes = vec![7; alg.key_len()];
        let theirs = Key::new(&library.of[alg as usize], &bytes);
        let ours = crate::aead::key(alg, &bytes).unwrap();
        for iv in [&[1; 12][..], &[2; 16]] {
            let (mut one, mut other) = ([3; 77], [3; 77]);
            let (mut tag, mut expected) = (Tag::default(), Tag::default());
            theirs.seal_iv(iv, b"header", &mut one, &mut tag).unwrap();
            ours.seal_iv(iv, b"header", &mut other, &mut expected).unwrap();
            assert_eq!((one, tag.0), (other, expected.0), "{alg:?} with {}", library.code);
            theirs.open_iv(iv, b"header", &mut one, &tag.0).unwrap();
            assert_eq!(one, [3; 77]);
            assert_eq!(theirs.open_iv(iv, b"Header", &mut one, &tag.0), Err(Error::NotAuthentic));
        }
    }
}

#[test]
fn lengths_that_the_library_does_not_check_are_refused() {
    let key = IpsecMb.key(Alg::Aes128Gcm, &[1; 16]).unwrap();
    let mut tag = Tag::default();
    assert_eq!(key.seal_iv(&[], &[], &mut [], &mut tag), Err(Error::IvLength));
    assert_eq!(key.open_iv(&[0; 12], &[], &mut [], &[0; 11]), Err(Error::TagLength));
    assert_eq!(key.open_short_tag(&[0; 12], &[], &mut [], &[0; 5]), Err(Error::TagLength));
    assert!(matches!(IpsecMb.key(Alg::Aes256Gcm, &[1; 16]), Err(Error::KeyLength)));
}

const KEY: [u8; 32] = [7; 32];
const AAD: &[u8] = b"header";

/// A way to use AES-256-GCM.
trait Way {
    fn seal(&self, nonce: &Nonce, text: &mut [u8], tag: &mut Tag);
    fn open(&self, nonce: &Nonce, text: &mut [u8], tag: &Tag) -> bool;
    /// Expands a key into this place, whose key it replaces.
    fn expand(&mut self, place: usize, bytes: &[u8; 32]);
    /// The tag of an empty message under the key in this place.
    fn proof(&self, place: usize) -> [u8; TAG_LEN];
}

/// Keys that an expansion cycles through.
const KEYS: usize = 64;

/// Through the traits, as every user of this crate.
struct Adapted {
    engine: &'static dyn Engine,
    key: Box<dyn Aead>,
    made: [Option<Box<dyn Aead>>; KEYS],
}

impl Adapted {
    fn new(engine: &'static dyn Engine) -> Self {
        let key = engine.key(Alg::Aes256Gcm, &KEY).unwrap();
        Self { engine, key, made: [const { None }; KEYS] }
    }
}

impl Way for Adapted {
    fn seal(&self, nonce: &Nonce, text: &mut [u8], tag: &mut Tag) {
        self.key.seal(nonce, AAD, text, tag).unwrap();
    }

    fn open(&self, nonce: &Nonce, text: &mut [u8], tag: &Tag) -> bool {
        self.key.open(nonce, AAD, text, tag).is_ok()
    }

    fn expand(&mut self, place: usize, bytes: &[u8; 32]) {
        self.made[place] = self.engine.key(Alg::Aes256Gcm, bytes).ok();
    }

    fn proof(&self, place: usize) -> [u8; TAG_LEN] {
        let mut tag = Tag::default();
        self.made[place].as_ref().unwrap().seal(&[9; 12], &[], &mut [], &mut tag).unwrap();
        tag.0
    }
}

/// The library's functions and nothing else: no length is checked, tags are compared as C programs do it, and
/// keys lie in memory that is neither allocated nor wiped.
struct Direct {
    functions: &'static Functions,
    /// The key in use, and then those that an expansion cycles through.
    keys: Vec<MaybeUninit<KeyData>>,
}

impl Direct {
    fn new() -> Self {
        let functions = &Library::loaded().unwrap().of[Alg::Aes256Gcm as usize];
        let mut new = Self { functions, keys: Vec::new() };
        new.keys.resize_with(KEYS + 1, MaybeUninit::zeroed);
        new.expand(KEYS, &KEY);
        new
    }

    #[inline(always)]
    fn call(&self, call: OneShot, place: usize, nonce: &Nonce, aad: &[u8], text: &mut [u8]) -> Tag {
        let (at, len) = (text.as_mut_ptr(), text.len() as u64);
        let (mut tag, mut context) = (Tag::default(), MaybeUninit::uninit());
        let (key, context) = (self.keys[place].as_ptr(), context.as_mut_ptr());
        let (aad, aad_len, out) = (aad.as_ptr(), aad.len() as u64, tag.0.as_mut_ptr());
        // SAFETY: as in `one_shot`; the place holds a key.
        unsafe { call(key, context, at, at, len, nonce.as_ptr(), aad, aad_len, out, 16) };
        tag
    }
}

impl Way for Direct {
    fn seal(&self, nonce: &Nonce, text: &mut [u8], tag: &mut Tag) {
        *tag = self.call(self.functions.seal, KEYS, nonce, AAD, text);
    }

    fn open(&self, nonce: &Nonce, text: &mut [u8], tag: &Tag) -> bool {
        self.call(self.functions.open, KEYS, nonce, AAD, text).0 == tag.0
    }

    fn expand(&mut self, place: usize, bytes: &[u8; 32]) {
        // SAFETY: as in `Key::new`.
        unsafe { (self.functions.expand)(bytes.as_ptr().cast(), self.keys[place].as_mut_ptr()) };
    }

    fn proof(&self, place: usize) -> [u8; TAG_LEN] {
        self.call(self.functions.seal, place, &[9; 12], &[], &mut []).0
    }
}

/// Messages of one length, and what they become.
#[derive(Clone)]
struct Messages {
    nonces: Vec<Nonce>,
    plain: Vec<u8>,
    sealed: Vec<u8>,
    tags: Vec<Tag>,
    len: usize,
}

impl Messages {
    /// As many as fill half of a small first-level cache, and at least two.
    fn new(len: usize) -> Self {
        let count = (16_384 / len.max(64)).max(2);
        let nonces: Vec<Nonce> = (0..count).map(|i| [i as u8; 12]).collect();
        let plain: Vec<u8> = (0..count * len).map(|i| (i % 251) as u8).collect();
        let (mut sealed, mut tags) = (plain.clone(), vec![Tag::default(); count]);
        let key = crate::aead::key(Alg::Aes256Gcm, &KEY).unwrap();
        for ((text, nonce), tag) in sealed.chunks_exact_mut(len).zip(&nonces).zip(&mut tags) {
            key.seal(nonce, AAD, text, tag).unwrap();
        }
        Self { nonces, plain, sealed, tags, len }
    }
}

/// Seals, or opens, each of the messages in cache lines of its own.
struct Calls<W, const OPENS: bool> {
    way: W,
    messages: Messages,
    buffer: Vec<u8>,
    start: usize,
    tags: Vec<Tag>,
    opened: bool,
}

impl<W: Way, const OPENS: bool> Calls<W, OPENS> {
    fn new(way: W, messages: &Messages) -> Self {
        let size = messages.nonces.len() * messages.len.next_multiple_of(64);
        let (messages, tags) = (messages.clone(), messages.tags.clone());
        let mut new = Self { way, messages, buffer: vec![0; size + 8192], start: 0, tags, opened: true };
        new.move_to(0);
        new
    }
}

/// The places of messages of `len` bytes.
fn slots(buffer: &mut [u8], len: usize) -> impl Iterator<Item = &mut [u8]> {
    buffer.chunks_exact_mut(len.next_multiple_of(64)).map(move |slot| &mut slot[..len])
}

impl<W: Way, const OPENS: bool> Timed for Calls<W, OPENS> {
    fn reset(&mut self) {
        let Messages { plain, sealed, tags, len, .. } = &self.messages;
        let before = if OPENS { sealed } else { plain };
        let slots = slots(&mut self.buffer[self.start..], *len);
        slots.zip(before.chunks_exact(*len)).for_each(|(slot, text)| slot.copy_from_slice(text));
        if OPENS {
            self.tags.copy_from_slice(tags);
        } else {
            self.tags.fill(Tag::default());
        }
        self.opened = true;
    }

    fn run(&mut self) {
        let slots = slots(&mut self.buffer[self.start..], self.messages.len);
        for ((slot, nonce), tag) in slots.zip(&self.messages.nonces).zip(&mut self.tags) {
            let (slot, nonce, tag) = (black_box(slot), black_box(nonce), black_box(tag));
            if OPENS {
                self.opened &= self.way.open(nonce, slot, tag);
            } else {
                self.way.seal(nonce, slot, tag);
            }
        }
    }

    fn count(&self) -> u64 {
        self.tags.len() as u64
    }

    fn move_to(&mut self, offset: usize) -> bool {
        self.start = self.buffer.as_ptr().align_offset(4096) + offset;
        true
    }

    fn check(&mut self) -> Result<(), String> {
        let Messages { plain, sealed, tags, len, .. } = &self.messages;
        let after = if OPENS { plain } else { sealed };
        let mut slots = slots(&mut self.buffer[self.start..], *len).zip(after.chunks_exact(*len));
        let right = slots.all(|(slot, text)| slot == text);
        let tags_right = self.tags.iter().zip(tags).all(|(found, tag)| found.0 == tag.0);
        if right && tags_right && self.opened { Ok(()) } else { Err("another message or tag".into()) }
    }
}

/// Expands keys, each from bytes of its own.
struct Expansions<W> {
    way: W,
    bytes: Vec<[u8; 32]>,
}

impl<W: Way> Expansions<W> {
    fn new(way: W) -> Self {
        Self { way, bytes: (0..KEYS).map(|place| [place as u8; 32]).collect() }
    }
}

impl<W: Way> Timed for Expansions<W> {
    fn reset(&mut self) {
        self.bytes.iter_mut().for_each(|bytes| bytes[0] ^= 0x80);
    }

    fn run(&mut self) {
        for (place, bytes) in self.bytes.iter().enumerate() {
            self.way.expand(place, black_box(bytes));
        }
    }

    fn count(&self) -> u64 {
        KEYS as u64
    }

    fn check(&mut self) -> Result<(), String> {
        for (place, bytes) in self.bytes.iter().enumerate() {
            let mut tag = Tag::default();
            crate::aead::key(Alg::Aes256Gcm, bytes).unwrap().seal(&[9; 12], &[], &mut [], &mut tag).unwrap();
            if self.way.proof(place) != tag.0 {
                return Err(format!("key {place} is another one"));
            }
        }
        Ok(())
    }
}

/// Nanoseconds of ours, the adapter and the direct call, measured in the same rounds.
fn times(mut three: [Box<dyn Timed>; 3]) -> [f64; 3] {
    let sampler = Sampler { clock: Clock::calibrate(), target_ns: 2e6, seed: 1 };
    let mut rounds = sampler.begin(&mut three);
    (0..200).for_each(|_| rounds.run(&mut three));
    three.iter_mut().for_each(|timed| timed.check().unwrap());
    let [Some(ours), Some(adapter), Some(direct)] = rounds.times()[..] else { panic!("there were rounds") };
    [ours, adapter, direct]
}

fn calls<const OPENS: bool>(messages: &Messages) -> [f64; 3] {
    let adapted = |name| Calls::<_, OPENS>::new(Adapted::new(find(name).unwrap()), messages);
    let direct = Calls::<_, OPENS>::new(Direct::new(), messages);
    times([Box::new(adapted("sealmark")), Box::new(adapted("ipsec-mb")), Box::new(direct)])
}

#[test]
#[ignore = "it prints times of an optimised build and judges none: ci/deep ipsec-mb"]
fn the_adapter_beside_a_direct_call() {
    let (pinned, backend) = (pin(), crate::aead::Backend::choose().name);
    println!("AES-256-GCM, ns per operation, on {}, {pinned}", IpsecMb.version());
    println!();
    println!(
        "| | B | sealmark/{backend} | ipsec-mb | direct call | ipsec-mb / direct | quicker / sealmark |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
    let row = |what: &str, len: &str, [ours, adapter, direct]: [f64; 3]| {
        let (cost, ahead) = (adapter / direct, adapter.min(direct) / ours);
        println!("| {what} | {len} | {ours:.1} | {adapter:.1} | {direct:.1} | {cost:.2} | {ahead:.2} |");
    };
    let lengths = [16, 64, 256, 1024, 4096, 16_384];
    lengths.iter().for_each(|len| row("seal", &len.to_string(), calls::<false>(&Messages::new(*len))));
    lengths.iter().for_each(|len| row("open", &len.to_string(), calls::<true>(&Messages::new(*len))));
    let adapted = |name| Box::new(Expansions::new(Adapted::new(find(name).unwrap())));
    row(
        "key",
        "",
        times([adapted("sealmark"), adapted("ipsec-mb"), Box::new(Expansions::new(Direct::new()))]),
    );
}
