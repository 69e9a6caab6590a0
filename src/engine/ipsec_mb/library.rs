//! `libIPSec_MB`: the functions for AES-GCM that it chose for this CPU.
//!
//! Its header offers them as macros over the table of a manager. The beginning of that table, declared here,
//! is the same in the versions of Debian 12 and 13, which are 1.3 and 2.0. Nothing is called before the
//! loader has named each pointer: it must be the start of the function that its place promises, or the
//! library is refused.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::{MaybeUninit, transmute};
use std::ptr::NonNull;
use std::sync::OnceLock;

/// The functions of one key size.
pub(super) struct Functions {
    pub seal: OneShot,
    pub open: OneShot,
    pub init: InitVarIv,
    pub seal_update: Update,
    pub open_update: Update,
    pub seal_finalize: Finalize,
    pub open_finalize: Finalize,
    pub expand: Expand,
}

/// What the library chose for this CPU.
pub(super) struct Library {
    /// Its code, in the words of its symbols: `vaes_avx512`.
    pub code: &'static str,
    /// Whether it was built to clear secrets from registers and its stack before it returns.
    pub clears: bool,
    /// By the place of the algorithm in [`Alg`](crate::aead::Alg).
    pub of: [Functions; 3],
}

impl Library {
    /// Makes the manager at the first call.
    ///
    /// # Errors
    /// Why the library cannot be used here.
    pub fn loaded() -> Result<&'static Self, &'static str> {
        static LIBRARY: OnceLock<Result<Library, String>> = OnceLock::new();
        LIBRARY.get_or_init(|| Self::load(automatic)).as_ref().map_err(String::as_str)
    }

    /// The functions of a manager that `init`, one of the library's initialisers, filled in.
    ///
    /// # Errors
    /// As for [`loaded`](Self::loaded).
    pub(super) fn load(init: unsafe extern "C" fn(*mut Manager)) -> Result<Self, String> {
        // SAFETY: it takes nothing and returns a number.
        let number = unsafe { imb_get_version() };
        if !(FIRST_VERSION..NEXT_MAJOR).contains(&number) {
            return Err(format!("libIPSec_MB {} is none of 1.3 to 2.x", version()));
        }
        // SAFETY: the manager is made and initialised by the library, and null if it could not be made. The
        // library's own struct begins with an instance of ours, or at least is longer. What is copied out of
        // it points to code of the library, which outlives it.
        let (table, error) = unsafe {
            let manager = NonNull::new(alloc_mb_mgr(0)).ok_or("libIPSec_MB could not make its manager")?;
            init(manager.as_ptr());
            let found = (manager.as_ptr().read(), imb_get_errno(manager.as_ptr()));
            free_mb_mgr(manager.as_ptr());
            found
        };
        if error != 0 {
            return Err(format!("libIPSec_MB has no code for this CPU (its error {error})"));
        }
        Ok(Self {
            code: named(table.seal[0], "aes_gcm_enc_128_")?,
            clears: table.features & SAFE_DATA != 0,
            of: [table.functions(0, 128)?, table.functions(1, 192)?, table.functions(2, 256)?],
        })
    }
}

/// The library's own version.
pub(super) fn version() -> String {
    // SAFETY: it returns a string that the library never frees.
    let version = unsafe { CStr::from_ptr(imb_get_version_str()) }.to_string_lossy();
    version.trim_start_matches('v').to_owned()
}

/// What follows `call` in the name of the function at this address: the kind of CPU that it is for.
fn named(function: Function, call: &str) -> Result<&'static str, String> {
    let mut found = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: the loader looks the address up and does not follow it. A name belongs to the library, which is
    // linked to this program and therefore never unloaded.
    let name = unsafe {
        let known = libc::dladdr(function, found.as_mut_ptr()) != 0;
        let found = found.assume_init();
        let exact = known && !found.dli_sname.is_null() && std::ptr::eq(found.dli_saddr, function);
        exact.then(|| CStr::from_ptr(found.dli_sname))
    };
    let name = name.and_then(|name| name.to_str().ok()).unwrap_or("something without a name");
    let code = name.strip_prefix(call).filter(|code| CODES.iter().any(|known| code.starts_with(known)));
    code.ok_or_else(|| format!("libIPSec_MB {} has {name} in its table, not {call}*", version()))
}

/// How the names of the kinds of CPUs begin.
const CODES: [&str; 3] = ["sse", "avx", "vaes"];

// What follows is `intel-ipsec-mb.h`, as far as it is needed.

/// The feature of a library that clears secrets before it returns.
const SAFE_DATA: u64 = 1 << 14;

const FIRST_VERSION: u32 = 0x01_0300;
const NEXT_MAJOR: u32 = 0x03_0000;

/// Room for `struct gcm_key_data`, which has 1,008 bytes in version 1.3 and 1,264 in 2.0. The header asks
/// programs for no alignment, and calls take the same time at any; this is what every allocator provides.
#[repr(C, align(16))]
pub(super) struct KeyData([u8; 2048]);

/// Room for `struct gcm_context_data`, which has 88 bytes.
#[repr(C, align(16))]
pub(super) struct Context([u8; 256]);

/// Key, context, output, input and its length, nonce, additional data and its length, tag and its length.
pub(super) type OneShot = unsafe extern "C" fn(
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
/// Key, context, IV and its length, additional data and its length.
pub(super) type InitVarIv =
    unsafe extern "C" fn(*const KeyData, *mut Context, *const u8, u64, *const u8, u64);
/// Key, context, output, input and its length.
pub(super) type Update = unsafe extern "C" fn(*const KeyData, *mut Context, *mut u8, *const u8, u64);
/// Key, context, tag and its length.
pub(super) type Finalize = unsafe extern "C" fn(*const KeyData, *mut Context, *mut u8, u64);
/// The key's bytes, and where to expand them.
pub(super) type Expand = unsafe extern "C" fn(*const c_void, *mut KeyData);

/// A function whose name was not compared yet.
type Function = *const c_void;
/// The same function for keys of 128, 192 and 256 bits.
type Sizes = [Function; 3];

/// The beginning of `struct IMB_MGR`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Manager {
    flags: u64,
    features: u64,
    /// Reserved words, the kind of CPU and the last error.
    state: [u64; 6],
    /// From `get_next_job` to `aes128_cfb_one`.
    before: [Function; 24],
    seal: Sizes,
    open: Sizes,
    init: Sizes,
    seal_update: Sizes,
    open_update: Sizes,
    seal_finalize: Sizes,
    open_finalize: Sizes,
    precomputed: Sizes,
    expand: Sizes,
    /// From `eea3_1_buffer` to `eia3_n_buffer`.
    between: [Function; 28],
    init_var_iv: Sizes,
}

impl Manager {
    /// The functions of the size at this place, each with the name of what it is taken for.
    fn functions(&self, size: usize, bits: usize) -> Result<Functions, String> {
        let checked = |sizes: &Sizes, call: &str| {
            named(sizes[size], &format!("aes_gcm_{}_", call.replace("BITS", &bits.to_string())))?;
            Ok::<_, String>(sizes[size])
        };
        // SAFETY: each is the start of the function of that name, which has this signature in the header.
        unsafe {
            Ok(Functions {
                seal: transmute::<Function, OneShot>(checked(&self.seal, "enc_BITS")?),
                open: transmute::<Function, OneShot>(checked(&self.open, "dec_BITS")?),
                init: transmute::<Function, InitVarIv>(checked(&self.init_var_iv, "init_var_iv_BITS")?),
                seal_update: transmute::<Function, Update>(checked(&self.seal_update, "enc_BITS_update")?),
                open_update: transmute::<Function, Update>(checked(&self.open_update, "dec_BITS_update")?),
                seal_finalize: transmute::<Function, Finalize>(checked(
                    &self.seal_finalize,
                    "enc_BITS_finalize",
                )?),
                open_finalize: transmute::<Function, Finalize>(checked(
                    &self.open_finalize,
                    "dec_BITS_finalize",
                )?),
                expand: transmute::<Function, Expand>(checked(&self.expand, "pre_BITS")?),
            })
        }
    }
}

/// Initialises a manager with the best code for this CPU.
unsafe extern "C" fn automatic(manager: *mut Manager) {
    // SAFETY: the caller has made the manager; the library may be asked for no report of its choice.
    unsafe { init_mb_mgr_auto(manager, std::ptr::null_mut()) };
}

#[link(name = "IPSec_MB")]
unsafe extern "C" {
    fn imb_get_version() -> u32;
    fn imb_get_version_str() -> *const c_char;
    fn imb_get_errno(manager: *mut Manager) -> c_int;
    fn alloc_mb_mgr(flags: u64) -> *mut Manager;
    fn init_mb_mgr_auto(manager: *mut Manager, arch: *mut c_int);
    fn free_mb_mgr(manager: *mut Manager);
    #[cfg(test)]
    pub(super) fn init_mb_mgr_sse(manager: *mut Manager);
    #[cfg(test)]
    pub(super) fn init_mb_mgr_avx2(manager: *mut Manager);
    #[cfg(test)]
    pub(super) fn init_mb_mgr_avx512(manager: *mut Manager);
}
