//! Intel's Multi-Buffer Crypto library, called directly, one message at a time (feature `ipsec-mb`): the
//! system's `libIPSec_MB`, on Linux and other Unix systems with an x86-64 CPU.
//!
//! The library chooses its code when its manager is made, which happens once for each process. A key is what
//! the library expands; a context lives for one call and stays on the stack after it. Not here: the job
//! interface, which processes several messages at once.

use std::mem::MaybeUninit;

use subtle::ConstantTimeEq;
use zeroize::optimization_barrier;

use super::{Engine, Residue, Shape};
use crate::aead::{Aead, Alg, Error, MAX_AAD_LEN, MAX_MESSAGE_LEN, NONCE_LEN, Nonce, TAG_LEN, Tag};
use library::{Finalize, Functions, KeyData, Library, OneShot, Update};

mod library;
#[cfg(test)]
mod tests;

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
        let version = library::version();
        match Library::loaded() {
            Ok(Library { code, clears, .. }) => {
                format!("intel-ipsec-mb {version} ({code}{})", if *clears { ", SAFE_DATA" } else { "" })
            }
            Err(_) => format!("intel-ipsec-mb {version}"),
        }
    }

    fn available(&self) -> Result<(), String> {
        Library::loaded().map(drop).map_err(Into::into)
    }

    fn supports(&self, shape: Shape) -> bool {
        shape.iv_len > 0 && matches!(shape.tag_len, 4 | 8 | 12..=TAG_LEN)
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
        Ok(Key::new(&library.of[alg as usize], bytes))
    }
}

/// An expanded key. The library has no function that wipes one.
struct Key {
    functions: &'static Functions,
    data: MaybeUninit<KeyData>,
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the place is owned here and larger than what the library wrote; nothing reads it again.
        unsafe { self.data.as_mut_ptr().write_bytes(0, 1) };
        optimization_barrier(&self.data);
    }
}

impl Key {
    /// Expands a key in its place, so that no copy is left on the stack.
    fn new(functions: &'static Functions, bytes: &[u8]) -> Box<Self> {
        let mut key = Box::<Self>::new_uninit();
        // SAFETY: `bytes` has the length of the functions' algorithm, and the place has room for the
        // library's struct. `data` may stay uninitialised, so the key is whole once it has its functions.
        unsafe {
            (&raw mut (*key.as_mut_ptr()).functions).write(functions);
            (functions.expand)(bytes.as_ptr().cast(), (&raw mut (*key.as_mut_ptr()).data).cast());
            key.assume_init()
        }
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
                self.data.as_ptr(),
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
        let (key, text, len) = (self.data.as_ptr(), in_out.as_mut_ptr(), in_out.len() as u64);
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
        if bool::from(found.0[..tag.len()].ct_eq(tag)) { Ok(()) } else { Err(Error::NotAuthentic) }
    }
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
        // One comparison of two numbers, so nothing ends early; `ct_eq` takes some nanoseconds longer.
        let differ = u128::from_ne_bytes(found.0) ^ u128::from_ne_bytes(tag.0);
        if differ == 0 { Ok(()) } else { Err(Error::NotAuthentic) }
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
