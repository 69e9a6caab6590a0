//! The backends, one file each, and their table. Intrinsics appear nowhere else.

use super::edge::Edge;
use super::gcm::AesGcm;
use super::{Alg, Backend};

#[cfg(target_arch = "x86_64")]
mod aesni;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod armv8;
mod portable;
#[cfg(target_arch = "x86_64")]
mod vaes256;
#[cfg(target_arch = "x86_64")]
mod vaes512;

/// Every backend that was compiled in, fastest last. A static, so that the kernels are compiled here and
/// nowhere else.
pub static BACKENDS: &[Backend] = &[
    portable::BACKEND,
    #[cfg(target_arch = "x86_64")]
    aesni::BACKEND,
    #[cfg(target_arch = "x86_64")]
    vaes256::BACKEND,
    #[cfg(target_arch = "x86_64")]
    vaes512::BACKEND,
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    armv8::BACKEND,
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    armv8::BACKEND_SHA3,
];

/// The table row of a backend.
const fn row<L: Edge>(name: &'static str, features: &'static [&'static str]) -> Backend {
    Backend {
        name,
        features,
        blocks: L::BLOCKS,
        width: L::WIDTH,
        detect: L::detected,
        make: |alg, bytes| {
            assert!(L::detected() && bytes.len() == alg.key_len(), "checked by Backend::key");
            // SAFETY: both conditions were asserted; the number of rounds is the algorithm's (FIPS 197, table
            // 3).
            unsafe {
                match alg {
                    Alg::Aes128Gcm => AesGcm::<L, 10>::boxed(bytes),
                    Alg::Aes192Gcm => AesGcm::<L, 12>::boxed(bytes),
                    Alg::Aes256Gcm => AesGcm::<L, 14>::boxed(bytes),
                }
            }
        },
        probe: if L::INTERLEAVES {
            Some(|probe, turns| {
                assert!(L::detected(), "checked by Backend::probe");
                // SAFETY: the features were asserted.
                unsafe { L::probe(probe, turns) }
            })
        } else {
            None
        },
    }
}

/// Implements an entry point in a function that carries the listed features.
macro_rules! featured {
    (
        $(#[$attribute:meta])*
        unsafe fn $name:ident $(<$(const $generic:ident: $of:ty),+>)? ($($arg:ident: $type:ty),* $(,)?)
        $(-> $returned:ty)? $body:block
    ) => {
        unsafe fn $name $(<$(const $generic: $of),+>)? ($($arg: $type),*) $(-> $returned)? {
            $(#[$attribute])*
            unsafe fn inner $(<$(const $generic: $of),+>)? ($($arg: $type),*) $(-> $returned)? {
                // SAFETY: this function carries the features, which is what `Lanes` asks.
                unsafe { $body }
            }
            // SAFETY: the contract of `Edge`: the CPU has the features.
            unsafe { inner $(::<$($generic),+>)? ($($arg),*) }
        }
    };
}
use featured;

/// Implements the entry points of a backend, with the listed features.
///
/// The functions that process messages share a section, so that they lie at the same distance in every
/// program: together they nearly fill a CPU's cache of decoded instructions, whose sets the low twelve bits
/// of an address choose. Where the linker placed them, 1 KiB took up to 10 % more time by chance (Zen 3).
macro_rules! edge {
    ($lanes:ty, $batch:ident, $detect:expr $(, #[$features:meta])?) => {
        impl $crate::aead::edge::Edge for $lanes {
            fn detected() -> bool {
                $detect
            }

            super::featured! {
                $(#[$features])?
                unsafe fn expand_key<const R: usize>(place: *mut Key<$lanes>, bytes: &[u8]) {
                    Key::expand::<R>(place, bytes);
                }
            }

            super::featured! {
                $(#[$features])?
                unsafe fn j0(key: &Key<$lanes>, iv: &[u8]) -> u128 {
                    kernel::j0_of_iv::<$lanes, { <$lanes>::TURN_VECTORS }>(key, iv)
                }
            }

            super::featured! {
                #[inline(never)]
                $(#[$features])?
                unsafe fn absorb(key: &Key<$lanes>, data: &[u8], y: &mut <$lanes as Lanes>::Hash) {
                    *y = kernel::absorb::<$lanes, { <$lanes>::TURN_VECTORS }>(key, *y, data);
                }
            }

            super::featured! {
                #[inline(never)]
                $(#[$features])?
                #[cfg_attr(target_os = "linux", unsafe(link_section = ".text.sealmark_aead"))]
                unsafe fn crypt<const R: usize, const SEAL: bool>(
                    key: &Key<$lanes>,
                    nonce: &Nonce,
                    number: u32,
                    aad: &[u8],
                    in_out: &mut [u8],
                    tag: &mut Tag,
                ) {
                    kernel::crypt::<$lanes, R, SEAL>(key, nonce, number, aad, in_out, tag);
                }
            }

            super::featured! {
                #[inline(never)]
                $(#[$features])?
                unsafe fn only<const R: usize, const SEAL: bool>(
                    key: &Key<$lanes>,
                    nonce: &Nonce,
                    number: u32,
                    aad: &[u8],
                    in_out: &mut [u8],
                    tag: &mut Tag,
                ) {
                    kernel::only::<$lanes, { <$lanes>::TAIL_VECTORS }, R, SEAL>(
                        key, nonce, number, aad, in_out, tag,
                    );
                }
            }

            super::featured! {
                #[inline(never)]
                $(#[$features])?
                #[cfg_attr(target_os = "linux", unsafe(link_section = ".text.sealmark_aead"))]
                unsafe fn turns<const R: usize, const SEAL: bool>(
                    key: &Key<$lanes>,
                    nonce: &Nonce,
                    number: u32,
                    aad: &[u8],
                    in_out: &mut [u8],
                    tag: &mut Tag,
                ) {
                    const TURN: usize = <$lanes>::TURN_VECTORS;
                    const STEP: usize = <$lanes>::STEP_VECTORS;
                    kernel::turns::<$lanes, TURN, STEP, R, SEAL>(key, nonce, number, aad, in_out, tag);
                }
            }

            super::featured! {
                #[inline(never)]
                $(#[$features])?
                #[cfg_attr(target_os = "linux", unsafe(link_section = ".text.sealmark_aead"))]
                unsafe fn long_turns<const R: usize, const SEAL: bool>(
                    key: &Key<$lanes>,
                    nonce: &Nonce,
                    number: u32,
                    aad: &[u8],
                    in_out: &mut [u8],
                    tag: &mut Tag,
                ) {
                    const LONG: usize = <$lanes>::LONG_TURN_VECTORS;
                    kernel::turns::<$lanes, LONG, LONG, R, SEAL>(key, nonce, number, aad, in_out, tag);
                }
            }

            super::featured! {
                $(#[$features])?
                #[cfg_attr(target_os = "linux", unsafe(link_section = ".text.sealmark_aead"))]
                unsafe fn seal_unfilled<const R: usize>(
                    key: &Key<$lanes>,
                    nonce: &Nonce,
                    aad: &[u8],
                    in_out: &mut [u8],
                    tag: &mut Tag,
                ) -> Result<(), Error> {
                    const MOST: usize = <$lanes>::ENTRY_VECTORS;
                    if $crate::aead::edge::is_short::<$lanes>(MOST, aad, in_out) {
                        kernel::seal::<$lanes, MOST, false, R>(key, nonce, aad, in_out, tag);
                        return Ok(());
                    }
                    <$lanes>::seal_rest::<R>(key, nonce, aad, in_out, tag)
                }
            }

            super::featured! {
                #[inline(never)]
                $(#[$features])?
                #[cfg_attr(target_os = "linux", unsafe(link_section = ".text.sealmark_aead"))]
                unsafe fn seal_filled<const R: usize>(
                    key: &Key<$lanes>,
                    nonce: &Nonce,
                    aad: &[u8],
                    in_out: &mut [u8],
                    tag: &mut Tag,
                ) -> Result<(), Error> {
                    const MOST: usize = <$lanes>::APART_VECTORS;
                    kernel::seal::<$lanes, MOST, true, R>(key, nonce, aad, in_out, tag);
                    // If the compiler knew the result, the entry would not jump here, but call.
                    core::hint::black_box(Ok(()))
                }
            }

            super::featured! {
                #[inline(never)]
                $(#[$features])?
                #[cfg_attr(target_os = "linux", unsafe(link_section = ".text.sealmark_aead"))]
                unsafe fn seal_rest<const R: usize>(
                    key: &Key<$lanes>,
                    nonce: &Nonce,
                    aad: &[u8],
                    in_out: &mut [u8],
                    tag: &mut Tag,
                ) -> Result<(), Error> {
                    const MOST: usize = <$lanes>::TAIL_VECTORS;
                    if $crate::aead::edge::is_short::<$lanes>(MOST, aad, in_out) {
                        kernel::seal::<$lanes, MOST, false, R>(key, nonce, aad, in_out, tag);
                        return Ok(());
                    }
                    $crate::aead::gcm::check_lengths(aad, in_out)?;
                    kernel::crypt::<$lanes, R, true>(key, nonce, 1, aad, in_out, tag);
                    Ok(())
                }
            }

            super::featured! {
                #[inline(never)]
                $(#[$features])?
                #[cfg_attr(target_os = "linux", unsafe(link_section = ".text.sealmark_aead"))]
                unsafe fn open_short<const R: usize>(
                    key: &Key<$lanes>,
                    nonce: &Nonce,
                    aad: &[u8],
                    in_out: &mut [u8],
                    tag: &Tag,
                ) -> Result<(), Error> {
                    const MOST: usize = <$lanes>::ENTRY_VECTORS;
                    kernel::open::<$lanes, MOST, false, R>(key, nonce, aad, in_out, tag)
                }
            }

            super::featured! {
                #[inline(never)]
                $(#[$features])?
                #[cfg_attr(target_os = "linux", unsafe(link_section = ".text.sealmark_aead"))]
                unsafe fn open_filled<const R: usize>(
                    key: &Key<$lanes>,
                    nonce: &Nonce,
                    aad: &[u8],
                    in_out: &mut [u8],
                    tag: &Tag,
                ) -> Result<(), Error> {
                    const MOST: usize = <$lanes>::APART_VECTORS;
                    kernel::open::<$lanes, MOST, true, R>(key, nonce, aad, in_out, tag)
                }
            }

            super::featured! {
                #[inline(never)]
                $(#[$features])?
                #[cfg_attr(target_os = "linux", unsafe(link_section = ".text.sealmark_aead"))]
                unsafe fn open_rest<const R: usize>(
                    key: &Key<$lanes>,
                    nonce: &Nonce,
                    aad: &[u8],
                    in_out: &mut [u8],
                    tag: &Tag,
                ) -> Result<(), Error> {
                    const MOST: usize = <$lanes>::TAIL_VECTORS;
                    if $crate::aead::edge::is_short::<$lanes>(MOST, aad, in_out) {
                        return kernel::open::<$lanes, MOST, false, R>(key, nonce, aad, in_out, tag);
                    }
                    $crate::aead::gcm::check_lengths(aad, in_out)?;
                    let mut expected = Tag::default();
                    kernel::crypt::<$lanes, R, false>(key, nonce, 1, aad, in_out, &mut expected);
                    let expected = <$lanes>::hash(u128::from_le_bytes(expected.0));
                    $crate::aead::gcm::verdict(in_out, <$lanes>::is_tag(expected, &tag.0))
                }
            }

            super::featured! {
                $(#[$features])?
                unsafe fn probe(probe: $crate::aead::Probe, turns: u64) -> $crate::aead::Probed {
                    $crate::aead::probe::run::<$lanes>(probe, turns)
                }
            }

            super::edge!(@$batch $lanes $(, #[$features])?);
        }
    };
    (@one_by_one $lanes:ty $(, #[$features:meta])?) => {};
    (@by_lanes $lanes:ty $(, #[$features:meta])?) => {
        const LONGEST_IN_GROUP: usize = batch::longest::<$lanes>();

        super::featured! {
            #[inline(never)]
            $(#[$features])?
            unsafe fn groups<const R: usize, const SEAL: bool>(
                key: &Key<$lanes>,
                messages: &mut [Message<'_>],
                verdicts: &mut [Result<(), Error>],
            ) -> usize {
                batch::groups::<$lanes, R, SEAL>(key, messages, verdicts)
            }
        }
    };
}
use edge;

/// Declares a backend's features once: the row's list, the run-time check and the attribute are generated
/// from it.
#[cfg(target_arch = "x86_64")]
macro_rules! x86_backend {
    ($lanes:ty, $name:literal, $batch:ident, [$($feature:tt),+]) => {
        pub(super) const BACKEND: $crate::aead::Backend = super::row::<$lanes>($name, &[$($feature),+]);
        super::edge!(
            $lanes, $batch, $(std::arch::is_x86_feature_detected!($feature))&&+,
            #[target_feature($(enable = $feature),+)]
        );
    };
}
#[cfg(target_arch = "x86_64")]
use x86_backend;

/// Like `x86_backend`, for ARM; the row's name comes first, because one file may hold two rows.
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
macro_rules! arm_backend {
    ($row:ident, $lanes:ty, $name:literal, [$($feature:tt),+]) => {
        pub(super) const $row: $crate::aead::Backend = super::row::<$lanes>($name, &[$($feature),+]);
        super::edge!(
            $lanes, one_by_one, $(std::arch::is_aarch64_feature_detected!($feature))&&+,
            #[target_feature($(enable = $feature),+)]
        );
    };
}
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
use arm_backend;
