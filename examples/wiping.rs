//! The cost of leaving nothing in vector registers, for our kernels: `ci/deep wiping`.
//!
//! Two engines wrap the backend that Sealmark chooses, and call a function after each seal and open. `plain`
//! calls one that does nothing; `wiped` calls one that zeroes every vector register, as graviola does. They
//! are otherwise identical, so their difference is the cost.

use sealmark::aead::Aead;
use sealmark::engine::Engine;
use sealmark::engine::double::{Call, FaultyEngine};

/// An engine that calls a function after each seal and open.
fn around(name: &'static str, after: fn()) -> &'static dyn Engine {
    let calls = move |inner: &dyn Aead, call: &mut Call<'_>| {
        let done = call.run(inner);
        after();
        done
    };
    let engine = FaultyEngine::new(name).with_calls(Box::leak(Box::new(calls)));
    let unavailable = wipe().is_none().then_some("wiping is written for x86-64 with AVX");
    Box::leak(Box::new(unavailable.map_or(engine, |why| engine.unavailable(why))))
}

fn nothing() {}

/// The function that zeroes every vector register of this CPU, if there is one.
fn wipe() -> Option<fn()> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        return Some(x86::zero_zmm);
    } else if std::arch::is_x86_feature_detected!("avx") {
        return Some(x86::zero_ymm);
    }
    None
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "no safe code names a register")]
mod x86 {
    use std::arch::asm;

    /// Zeroes ymm0 to ymm15, and with them all of zmm0 to zmm15.
    pub fn zero_ymm() {
        // SAFETY: `wipe` returns this only if the CPU has AVX; every register that it writes is a clobber.
        unsafe {
            asm!(
                "vzeroall",
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
                out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(nomem, nostack, preserves_flags),
            );
        }
    }

    /// Also zeroes zmm16 to zmm31, which `vzeroall` leaves.
    pub fn zero_zmm() {
        // SAFETY: `wipe` returns this only if the CPU has AVX-512; every register that it writes is a
        // clobber.
        unsafe {
            asm!(
                "vpxord zmm16, zmm16, zmm16", "vpxord zmm17, zmm17, zmm17", "vpxord zmm18, zmm18, zmm18",
                "vpxord zmm19, zmm19, zmm19", "vpxord zmm20, zmm20, zmm20", "vpxord zmm21, zmm21, zmm21",
                "vpxord zmm22, zmm22, zmm22", "vpxord zmm23, zmm23, zmm23", "vpxord zmm24, zmm24, zmm24",
                "vpxord zmm25, zmm25, zmm25", "vpxord zmm26, zmm26, zmm26", "vpxord zmm27, zmm27, zmm27",
                "vpxord zmm28, zmm28, zmm28", "vpxord zmm29, zmm29, zmm29", "vpxord zmm30, zmm30, zmm30",
                "vpxord zmm31, zmm31, zmm31",
                out("zmm16") _, out("zmm17") _, out("zmm18") _, out("zmm19") _, out("zmm20") _, out("zmm21") _,
                out("zmm22") _, out("zmm23") _, out("zmm24") _, out("zmm25") _, out("zmm26") _, out("zmm27") _,
                out("zmm28") _, out("zmm29") _, out("zmm30") _, out("zmm31") _,
                options(nomem, nostack, preserves_flags),
            );
        }
        zero_ymm();
    }
}

fn main() -> std::process::ExitCode {
    sealmark::main(&[around("plain", nothing), around("wiped", wipe().unwrap_or(nothing))], &[])
}
