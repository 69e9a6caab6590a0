//! Intel's Multi-Buffer Crypto library, called directly, one message at a time (feature `ipsec-mb`): the
//! system's `libIPSec_MB`, on Linux and other Unix systems with an x86-64 CPU.
//!
//! The library chooses its code when its manager is made, which happens once for each process. A key is what
//! it expands; a context lives for one call. The functions are reached through the manager's table, whose
//! beginning is declared here as the header of version 1.3 has it: another major version is refused by name.
//! Not here: the job interface, which processes several messages at once.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::OnceLock;

use subtle::ConstantTimeEq;

use super::{Engine, Residue, Shape};
use crate::aead::{Aead, Alg, Error, MAX_AAD_LEN, MAX_MESSAGE_LEN, NONCE_LEN, Nonce, TAG_LEN, Tag};

/// The engine `ipsec-mb`.
#[derive(Clone, Copy, Debug)]
pub(super) struct IpsecMb;

impl Engine for IpsecMb {
    fn name(&self) -> &'static str {
        "ipsec-mb"
    }

    /// The library's own words, the code that it chose for this CPU, and whether it was built to clear what
    /// it leaves in registers and on the stack.
    fn version(&self) -> String {
        // SAFETY: the library returns a string that it never frees.
        let version = unsafe { CStr::from_ptr(imb_get_version_str()) }.to_string_lossy();
        let version = version.strip_prefix('v').unwrap_or(&version);
        match Library::loaded() {
            Ok(library) => format!("intel-ipsec-mb {version} ({}{})", library.arch, library.clearing),
            Err(_) => format!("intel-ipsec-mb {version}"),
        }
    }

    fn available(&self) -> Result<(), String> {
        Library::loaded().map(drop).map_err(Into::into)
    }

    fn supports(&self, shape: Shape) -> bool {
        shape.iv_len >= 1 && (4..=TAG_LEN).contains(&shape.tag_len)
    }

    /// It decrypts while it hashes, and leaves the comparison to the caller.
    fn residue(&self) -> Residue {
        Residue::Plaintext
    }

    /// The loader may take another library.
    fn variables(&self) -> &[&str] {
        &["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"]
    }

    fn key(&self, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error> {
        if bytes.len() != alg.key_len() {
            return Err(Error::KeyLength);
        }
        let library = Library::loaded().map_err(|_| Error::CpuLacksFeature)?;
        Ok(Box::new(Key::new(&library.of[alg as usize], bytes)))
    }
}

/// The functions of one key size.
struct Functions {
    seal: OneShot,
    open: OneShot,
    init: InitVarIv,
    seal_update: Update,
    open_update: Update,
    seal_finalize: Finalize,
    open_finalize: Finalize,
    expand: Expand,
}

/// The library's choice for this CPU.
struct Library {
    arch: &'static str,
    clearing: &'static str,
    /// By the place of the algorithm in [`Alg`].
    of: [Functions; 3],
}

impl Library {
    /// Makes the manager at the first call.
    fn loaded() -> Result<&'static Self, &'static str> {
        static LIBRARY: OnceLock<Result<Library, &'static str>> = OnceLock::new();
        LIBRARY.get_or_init(Self::load).as_ref().map_err(|reason| *reason)
    }

    fn load() -> Result<Self, &'static str> {
        // SAFETY: the function takes nothing and returns a number.
        let version = unsafe { imb_get_version() };
        if !(FIRST_VERSION..NEXT_MAJOR).contains(&version) {
            return Err("this version of libIPSec_MB has another table of functions than 1.3 to 1.x");
        }
        let mut arch: c_int = 0;
        // SAFETY: the manager is made and initialised by the library, and null if it could not be made.
        let table = unsafe {
            let manager = NonNull::new(alloc_mb_mgr(0)).ok_or("libIPSec_MB could not make its manager")?;
            init_mb_mgr_auto(manager.as_ptr(), &raw mut arch);
            if manager.as_ref().error != 0 {
                free_mb_mgr(manager.as_ptr());
                return Err("libIPSec_MB has no code for this CPU");
            }
            // Only the functions are needed, which are the library's own and outlive the manager.
            let Manager { gcm, init_var_iv, features, .. } = *manager.as_ref();
            free_mb_mgr(manager.as_ptr());
            (gcm, init_var_iv, features)
        };
        let (gcm, init, features) = table;
        let of = [0, 1, 2].map(|size| Functions {
            seal: gcm.seal[size],
            open: gcm.open[size],
            init: init[size],
            seal_update: gcm.seal_update[size],
            open_update: gcm.open_update[size],
            seal_finalize: gcm.seal_finalize[size],
            open_finalize: gcm.open_finalize[size],
            expand: gcm.expand[size],
        });
        let arch = match arch {
            1 => "without AES instructions",
            2 => "SSE",
            3 => "AVX",
            4 => "AVX2",
            5 => "AVX-512",
            _ => "another architecture",
        };
        let clearing = if features & SAFE_DATA == 0 { "" } else { ", SAFE_DATA" };
        Ok(Self { arch, clearing, of })
    }
}

/// An expanded key. The library has no function that wipes one.
struct Key {
    functions: &'static Functions,
    data: Box<KeyData>,
}

impl Drop for Key {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.data.0);
    }
}

impl Key {
    fn new(functions: &'static Functions, bytes: &[u8]) -> Self {
        let mut data = Box::new(KeyData([0; KEY_DATA]));
        // SAFETY: `bytes` has the length of the functions' algorithm; the place is at least as large and as
        // aligned as the library's struct.
        unsafe { (functions.expand)(bytes.as_ptr().cast(), &raw mut *data) };
        Self { functions, data }
    }

    /// Processes a message under a nonce of 96 bits; returns the tag.
    #[inline]
    fn one_shot(&self, call: OneShot, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &mut Tag) {
        let (text, len) = (in_out.as_mut_ptr(), in_out.len() as u64);
        let mut context = MaybeUninit::uninit();
        // SAFETY: the call works in place; all pointers are those of Rust's own references, with their
        // lengths; it initialises the context and keeps none of the pointers.
        unsafe {
            call(
                &raw const *self.data,
                context.as_mut_ptr(),
                text,
                text,
                len,
                nonce.as_ptr(),
                aad.as_ptr(),
                aad.len() as u64,
                tag.0.as_mut_ptr(),
                TAG_LEN as u64,
            );
        }
    }

    /// The same with an IV of any length.
    fn in_parts(&self, way: (Update, Finalize), iv: &[u8], aad: &[u8], in_out: &mut [u8]) -> Tag {
        let (mut context, mut tag) = (MaybeUninit::uninit(), Tag::default());
        let (key, text, len) = (&raw const *self.data, in_out.as_mut_ptr(), in_out.len() as u64);
        let context = context.as_mut_ptr();
        // SAFETY: as in `one_shot`; `init` initialises the context.
        unsafe {
            (self.functions.init)(key, context, iv.as_ptr(), iv.len() as u64, aad.as_ptr(), aad.len() as u64);
            if len > 0 {
                way.0(key, context, text, text, len);
            }
            way.1(key, context, tag.0.as_mut_ptr(), TAG_LEN as u64);
        }
        tag
    }

    fn open_any(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &[u8]) -> Result<(), Error> {
        check(iv, aad, in_out)?;
        let functions = self.functions;
        let mut found = Tag::default();
        match iv.try_into() {
            Ok(nonce) => self.one_shot(functions.open, nonce, aad, in_out, &mut found),
            Err(_) => {
                found = self.in_parts((functions.open_update, functions.open_finalize), iv, aad, in_out);
            }
        }
        verdict(&found.0[..tag.len()], tag)
    }
}

fn verdict(found: &[u8], tag: &[u8]) -> Result<(), Error> {
    if bool::from(found.ct_eq(tag)) { Ok(()) } else { Err(Error::NotAuthentic) }
}

/// The library checks no length, and no pointer of an IV without bytes.
#[inline]
fn check(iv: &[u8], aad: &[u8], message: &[u8]) -> Result<(), Error> {
    if iv.is_empty() {
        return Err(Error::IvLength);
    }
    if message.len() as u64 > MAX_MESSAGE_LEN {
        return Err(Error::MessageTooLong);
    }
    if aad.len() as u64 > MAX_AAD_LEN {
        return Err(Error::AadTooLong);
    }
    Ok(())
}

impl Aead for Key {
    fn seal(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        check(nonce, aad, in_out)?;
        self.one_shot(self.functions.seal, nonce, aad, in_out, tag);
        Ok(())
    }

    fn open(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &Tag) -> Result<(), Error> {
        check(nonce, aad, in_out)?;
        let mut found = Tag::default();
        self.one_shot(self.functions.open, nonce, aad, in_out, &mut found);
        verdict(&found.0, &tag.0)
    }

    fn seal_iv(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        if let Ok(nonce) = iv.try_into() {
            return self.seal(nonce, aad, in_out, tag);
        }
        check(iv, aad, in_out)?;
        let functions = self.functions;
        *tag = self.in_parts((functions.seal_update, functions.seal_finalize), iv, aad, in_out);
        Ok(())
    }

    fn open_iv(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &[u8]) -> Result<(), Error> {
        if !(NONCE_LEN..=TAG_LEN).contains(&tag.len()) {
            return Err(Error::TagLength);
        }
        self.open_any(iv, aad, in_out, tag)
    }

    fn open_short_tag(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &[u8]) -> Result<(), Error> {
        if !matches!(tag.len(), 4 | 8 | 12..=TAG_LEN) {
            return Err(Error::TagLength);
        }
        self.open_any(iv, aad, in_out, tag)
    }
}

// What follows is `intel-ipsec-mb.h` of version 1.3, as far as it is needed.

/// The feature of a library that clears secrets before it returns.
const SAFE_DATA: u64 = 1 << 14;

const FIRST_VERSION: u32 = 0x0001_0300;
const NEXT_MAJOR: u32 = 0x0002_0000;

/// Room for `struct gcm_key_data`, which has 1,008 bytes in version 1.3.
const KEY_DATA: usize = 2048;

#[repr(C, align(64))]
struct KeyData([u8; KEY_DATA]);

/// `struct gcm_context_data`, which has 88 bytes in version 1.3.
#[repr(C, align(64))]
struct Context([u8; 256]);

type OneShot = unsafe extern "C" fn(
    *const KeyData,
    *mut Context,
    *mut u8,
    *const u8,
    u64,
    *const u8,
    *const u8,
    u64,
    *mut u8,
    u64,
);
type InitVarIv = unsafe extern "C" fn(*const KeyData, *mut Context, *const u8, u64, *const u8, u64);
type Update = unsafe extern "C" fn(*const KeyData, *mut Context, *mut u8, *const u8, u64);
type Finalize = unsafe extern "C" fn(*const KeyData, *mut Context, *mut u8, u64);
type Expand = unsafe extern "C" fn(*const c_void, *mut KeyData);

/// The functions for AES-GCM, each for keys of 128, 192 and 256 bits.
#[repr(C)]
#[derive(Clone, Copy)]
struct Gcm {
    seal: [OneShot; 3],
    open: [OneShot; 3],
    init: [*const c_void; 3],
    seal_update: [Update; 3],
    open_update: [Update; 3],
    seal_finalize: [Finalize; 3],
    open_finalize: [Finalize; 3],
    precomputed: [*const c_void; 3],
    expand: [Expand; 3],
}

/// The beginning of `struct IMB_MGR`.
#[repr(C)]
struct Manager {
    flags: u64,
    features: u64,
    reserved: [u64; 5],
    used_arch: u32,
    error: c_int,
    /// From `get_next_job` to `aes128_cfb_one`.
    before: [*const c_void; 24],
    gcm: Gcm,
    /// From `eea3_1_buffer` to `eia3_n_buffer`.
    between: [*const c_void; 28],
    init_var_iv: [InitVarIv; 3],
}

#[link(name = "IPSec_MB")]
unsafe extern "C" {
    fn imb_get_version() -> u32;
    fn imb_get_version_str() -> *const c_char;
    fn alloc_mb_mgr(flags: u64) -> *mut Manager;
    fn init_mb_mgr_auto(manager: *mut Manager, arch: *mut c_int);
    fn free_mb_mgr(manager: *mut Manager);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timing::{Clock, Sampler, Timed};

    #[test]
    fn the_version_names_the_library_and_its_code() {
        let version = IpsecMb.version();
        assert!(version.starts_with("intel-ipsec-mb 1.") && version.contains('('), "{version}");
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

    /// Seals a message again and again.
    struct Sealing<'a, F> {
        call: F,
        message: &'a mut [u8],
        expected: Vec<u8>,
        count: u64,
    }

    impl<F: FnMut(&mut [u8], &mut Tag)> Sealing<'_, F> {
        fn once(&mut self) -> Tag {
            let mut tag = Tag::default();
            (self.call)(self.message, &mut tag);
            tag
        }
    }

    impl<F: FnMut(&mut [u8], &mut Tag)> Timed for Sealing<'_, F> {
        fn reset(&mut self) {
            self.message.fill(0);
        }

        fn run(&mut self) {
            for _ in 0..self.count {
                std::hint::black_box(self.once());
            }
        }

        fn count(&self) -> u64 {
            self.count
        }

        fn check(&mut self) -> Result<(), String> {
            self.reset();
            let tag = self.once();
            let found = [self.message, &tag.0[..]].concat();
            if found == self.expected { Ok(()) } else { Err("it sealed something else".into()) }
        }
    }

    #[test]
    #[ignore = "it prints times of an optimised build and judges nothing: ci/deep ipsec-mb"]
    fn the_adapter_beside_a_direct_call() {
        let sampler = Sampler { clock: Clock::calibrate(), target_ns: 2e6, seed: 1 };
        let bytes = [7; 32];
        let adapted = IpsecMb.key(Alg::Aes256Gcm, &bytes).unwrap();
        let functions = &Library::loaded().unwrap().of[Alg::Aes256Gcm as usize];
        let direct = Key::new(functions, &bytes);
        for len in [16, 64, 256, 1024, 4096, 16384] {
            let (mut one, mut other) = (vec![0; len], vec![0; len]);
            let mut tag = Tag::default();
            adapted.seal(&[1; 12], b"header", &mut one, &mut tag).unwrap();
            let expected = [&one[..], &tag.0[..]].concat();
            let count = (1 << 16) / len as u64 + 1;
            let adapted =
                |text: &mut [u8], tag: &mut Tag| adapted.seal(&[1; 12], b"header", text, tag).unwrap();
            let direct = |text: &mut [u8], tag: &mut Tag| {
                let (at, len, mut context) = (text.as_mut_ptr(), text.len() as u64, MaybeUninit::uninit());
                let (key, context) = (&raw const *direct.data, context.as_mut_ptr());
                let (nonce, aad, tag) = ([1; 12], b"header", tag.0.as_mut_ptr());
                // SAFETY: as in `one_shot`.
                unsafe {
                    (functions.seal)(key, context, at, at, len, nonce.as_ptr(), aad.as_ptr(), 6, tag, 16)
                };
            };
            let mut both: [Box<dyn Timed>; 2] = [
                Box::new(Sealing { call: adapted, message: &mut one, expected: expected.clone(), count }),
                Box::new(Sealing { call: direct, message: &mut other, expected, count }),
            ];
            let mut rounds = sampler.begin(&mut both);
            (0..60).for_each(|_| rounds.run(&mut both));
            both.iter_mut().for_each(|timed| timed.check().unwrap());
            let [Some(adapted), Some(direct)] = rounds.times()[..] else { panic!("there were rounds") };
            println!("{len} B: the adapter takes {:.3} times as long as a direct call", adapted / direct);
        }
    }
}
