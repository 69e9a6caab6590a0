//! Decodes aarch64 instructions with a small table of those that matter here, after the Arm Architecture
//! Reference Manual (DDI 0487, C4.1, "A64 instruction set encoding").
//!
//! An instruction without a row of its own takes the name of its group. The text is the instruction word in
//! hex, without the bits that hold an address. Tested only on instruction words: `ptrace` does not work under
//! user-mode emulation, and no such hardware was available.

use super::decode::{Class, Instruction, Width};

/// Length of every instruction in bytes.
#[cfg(target_arch = "aarch64")]
pub(super) const LONGEST: usize = 4;
/// How far the instruction pointer is past the start of [`mark`](super::mark)'s breakpoint when it traps.
#[cfg(target_arch = "aarch64")]
pub(super) const BREAKPOINT_LEN: u64 = 0;

/// A row matches if the masked word equals the value.
struct Row {
    mask: u32,
    value: u32,
    mnemonic: &'static str,
    class: Class,
    width: Option<Width>,
    /// The bits that hold an address.
    address: u32,
}

const fn row(mask: u32, value: u32, mnemonic: &'static str, class: Class, width: Option<Width>) -> Row {
    Row { mask, value, mnemonic, class, width, address: 0 }
}

const fn relative(mask: u32, value: u32, mnemonic: &'static str, class: Class, address: u32) -> Row {
    Row { mask, value, mnemonic, class, width: None, address }
}

const V: Option<Width> = Some(Width::V);
const Z: Option<Width> = Some(Width::Z);
const IMM19: u32 = 0x00ff_ffe0;

/// The first row that matches decides.
const ROWS: &[Row] = &[
    row(0xffff_fc00, 0x4e28_4800, "aese", Class::Aes, V),
    row(0xffff_fc00, 0x4e28_5800, "aesd", Class::Aes, V),
    row(0xffff_fc00, 0x4e28_6800, "aesmc", Class::Aes, V),
    row(0xffff_fc00, 0x4e28_7800, "aesimc", Class::Aes, V),
    row(0xff20_fc00, 0x0e20_e000, "pmull", Class::Multiply, V),
    row(0xff20_fc00, 0x4e20_e000, "pmull2", Class::Multiply, V),
    // SVE2
    row(0xffff_fc00, 0x4522_e000, "aese", Class::Aes, Z),
    row(0xffff_fc00, 0x4522_e400, "aesd", Class::Aes, Z),
    row(0xffff_ffe0, 0x4520_e000, "aesmc", Class::Aes, Z),
    row(0xffff_ffe0, 0x4520_e400, "aesimc", Class::Aes, Z),
    row(0xff20_fc00, 0x4500_6800, "pmullb", Class::Multiply, Z),
    row(0xff20_fc00, 0x4500_6c00, "pmullt", Class::Multiply, Z),
    // Branches
    relative(0xfc00_0000, 0x1400_0000, "b", Class::Branch, 0x03ff_ffff),
    relative(0xfc00_0000, 0x9400_0000, "bl", Class::Branch, 0x03ff_ffff),
    relative(0xff00_0000, 0x5400_0000, "b.cond", Class::Branch, IMM19),
    relative(0x7f00_0000, 0x3400_0000, "cbz", Class::Branch, IMM19),
    relative(0x7f00_0000, 0x3500_0000, "cbnz", Class::Branch, IMM19),
    relative(0x7f00_0000, 0x3600_0000, "tbz", Class::Branch, 0x0007_ffe0),
    relative(0x7f00_0000, 0x3700_0000, "tbnz", Class::Branch, 0x0007_ffe0),
    row(0xffff_fc1f, 0xd61f_0000, "br", Class::Branch, None),
    row(0xffff_fc1f, 0xd63f_0000, "blr", Class::Branch, None),
    row(0xffff_fc1f, 0xd65f_0000, "ret", Class::Branch, None),
    row(0xfe00_0000, 0xd600_0000, "branch", Class::Branch, None),
    // Operands relative to the instruction's address
    relative(0x9f00_0000, 0x1000_0000, "adr", Class::Other, 0x60ff_ffe0),
    relative(0x9f00_0000, 0x9000_0000, "adrp", Class::Other, 0x60ff_ffe0),
    Row { width: V, ..relative(0x3f00_0000, 0x1c00_0000, "ldr", Class::Load, IMM19) },
    relative(0xff00_0000, 0xd800_0000, "prfm", Class::Other, IMM19),
    relative(0x3f00_0000, 0x1800_0000, "ldr", Class::Load, IMM19),
    // Loads and stores of vector registers: several, pairs, single
    row(0xbe40_0000, 0x0c40_0000, "ld1", Class::Load, V),
    row(0xbe40_0000, 0x0c00_0000, "st1", Class::Store, V),
    row(0x3e40_0000, 0x2c40_0000, "ldp", Class::Load, V),
    row(0x3e40_0000, 0x2c00_0000, "stp", Class::Store, V),
    row(0x3e40_0000, 0x3c40_0000, "ldr", Class::Load, V),
    row(0x3e40_0000, 0x3c00_0000, "str", Class::Store, V),
    // Loads and stores of general registers
    row(0x3e40_0000, 0x2840_0000, "ldp", Class::Load, None),
    row(0x3e40_0000, 0x2800_0000, "stp", Class::Store, None),
    row(0x3f40_0000, 0x0840_0000, "load-exclusive", Class::Load, None),
    row(0x3f40_0000, 0x0800_0000, "store-exclusive", Class::Store, None),
    row(0x3f20_0c00, 0x3820_0000, "atomic", Class::Store, None),
    row(0xffc0_0000, 0xf980_0000, "prfm", Class::Other, None),
    row(0xfee0_0c00, 0xf8a0_0800, "prfm", Class::Other, None),
    row(0x3ec0_0000, 0x3800_0000, "str", Class::Store, None),
    row(0x3e00_0000, 0x3800_0000, "ldr", Class::Load, None),
    // Vector instructions: by name if they matter to AES-GCM, then by group
    row(0xffe0_8000, 0xce00_0000, "eor3", Class::Vector, V),
    row(0xbfe0_fc00, 0x2e20_1c00, "eor", Class::Vector, V),
    row(0xbfe0_8400, 0x2e00_0000, "ext", Class::Vector, V),
    row(0x0e00_0000, 0x0e00_0000, "vector", Class::Vector, V),
    row(0xfe00_0000, 0xe400_0000, "st1", Class::Store, Z),
    row(0x9e00_0000, 0x8400_0000, "ld1", Class::Load, Z),
    row(0x1e00_0000, 0x0400_0000, "vector", Class::Vector, Z),
    row(0, 0, "other", Class::Other, None),
];

/// Decodes the instruction at the start of these bytes; there may be more bytes than it needs.
pub(super) fn decode(_: u64, bytes: &[u8]) -> Instruction {
    let word = bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let row = ROWS.iter().find(|row| word & row.mask == row.value).expect("the last row matches every word");
    Instruction {
        mnemonic: row.mnemonic.to_owned(),
        text: format!("{} {:08x}", row.mnemonic, word & !row.address),
        class: row.class,
        width: row.width,
        repeats: false,
        jumps: row.class == Class::Branch && !matches!(row.mnemonic, "bl" | "blr" | "ret"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The word that an assembler makes of the comment, and its expected mnemonic, class and width.
    #[rustfmt::skip]
    const WORDS: &[(u32, &str, Class, Option<Width>)] = &[
        (0x4e28_4820, "aese", Class::Aes, V),             // aese v0.16b, v1.16b
        (0x4e28_5820, "aesd", Class::Aes, V),             // aesd v0.16b, v1.16b
        (0x4e28_6862, "aesmc", Class::Aes, V),            // aesmc v2.16b, v3.16b
        (0x4e28_7862, "aesimc", Class::Aes, V),           // aesimc v2.16b, v3.16b
        (0x0ee6_e0a4, "pmull", Class::Multiply, V),       // pmull v4.1q, v5.1d, v6.1d
        (0x4ee6_e0a4, "pmull2", Class::Multiply, V),      // pmull2 v4.1q, v5.2d, v6.2d
        (0x4522_e020, "aese", Class::Aes, Z),             // aese z0.b, z0.b, z1.b
        (0x4522_e420, "aesd", Class::Aes, Z),             // aesd z0.b, z0.b, z1.b
        (0x4520_e000, "aesmc", Class::Aes, Z),            // aesmc z0.b, z0.b
        (0x4520_e400, "aesimc", Class::Aes, Z),           // aesimc z0.b, z0.b
        (0x4502_6820, "pmullb", Class::Multiply, Z),      // pmullb z0.q, z1.d, z2.d
        (0x4502_6c20, "pmullt", Class::Multiply, Z),      // pmullt z0.q, z1.d, z2.d
        (0x1400_0002, "b", Class::Branch, None),          // b .+8
        (0x9400_0004, "bl", Class::Branch, None),         // bl .+16
        (0x54ff_ffc1, "b.cond", Class::Branch, None),     // b.ne .-8
        (0xb400_0043, "cbz", Class::Branch, None),        // cbz x3, .+8
        (0x3500_0043, "cbnz", Class::Branch, None),       // cbnz w3, .+8
        (0xb608_0043, "tbz", Class::Branch, None),        // tbz x3, #33, .+8
        (0x3718_0043, "tbnz", Class::Branch, None),       // tbnz w3, #3, .+8
        (0xd61f_0060, "br", Class::Branch, None),         // br x3
        (0xd63f_0060, "blr", Class::Branch, None),        // blr x3
        (0xd65f_03c0, "ret", Class::Branch, None),        // ret
        (0x1000_0081, "adr", Class::Other, None),         // adr x1, .+16
        (0x9000_0001, "adrp", Class::Other, None),        // adrp x1, .
        (0x9c00_0081, "ldr", Class::Load, V),             // ldr q1, .+16
        (0x5800_0081, "ldr", Class::Load, None),          // ldr x1, .+16
        (0xd800_0080, "prfm", Class::Other, None),        // prfm pldl1keep, .+16
        (0x4cdf_2020, "ld1", Class::Load, V),             // ld1 {v0.16b-v3.16b}, [x1], #64
        (0x4d40_8420, "ld1", Class::Load, V),             // ld1 {v0.d}[1], [x1]
        (0x4c00_2020, "st1", Class::Store, V),            // st1 {v0.16b-v3.16b}, [x1]
        (0xad41_0420, "ldp", Class::Load, V),             // ldp q0, q1, [x1, #32]
        (0xac81_0420, "stp", Class::Store, V),            // stp q0, q1, [x1], #32
        (0x3dc0_0420, "ldr", Class::Load, V),             // ldr q0, [x1, #16]
        (0x3ce2_6820, "ldr", Class::Load, V),             // ldr q0, [x1, x2]
        (0x3cdf_d020, "ldr", Class::Load, V),             // ldur q0, [x1, #-3]
        (0x3c81_0420, "str", Class::Store, V),            // str q0, [x1], #16
        (0xfd00_0420, "str", Class::Store, V),            // str d0, [x1, #8]
        (0xa8c1_7bfd, "ldp", Class::Load, None),          // ldp x29, x30, [sp], #16
        (0xa9bf_7bfd, "stp", Class::Store, None),         // stp x29, x30, [sp, #-16]!
        (0xc85f_7c20, "load-exclusive", Class::Load, None), // ldxr x0, [x1]
        (0xc802_7c20, "store-exclusive", Class::Store, None), // stxr w2, x0, [x1]
        (0xf820_0041, "atomic", Class::Store, None),      // ldadd x0, x1, [x2]
        (0xf980_2020, "prfm", Class::Other, None),        // prfm pldl1keep, [x1, #64]
        (0xf8a2_6820, "prfm", Class::Other, None),        // prfm pldl1keep, [x1, x2]
        (0xf900_0420, "str", Class::Store, None),         // str x0, [x1, #8]
        (0x3900_0020, "str", Class::Store, None),         // strb w0, [x1]
        (0x7800_1020, "str", Class::Store, None),         // sturh w0, [x1, #1]
        (0xf940_0420, "ldr", Class::Load, None),          // ldr x0, [x1, #8]
        (0xb8a2_7820, "ldr", Class::Load, None),          // ldrsw x0, [x1, x2, lsl #2]
        (0x39c0_0020, "ldr", Class::Load, None),          // ldrsb w0, [x1]
        (0xce02_0c20, "eor3", Class::Vector, V),          // eor3 v0.16b, v1.16b, v2.16b, v3.16b
        (0x6e22_1c20, "eor", Class::Vector, V),           // eor v0.16b, v1.16b, v2.16b
        (0x6e02_4020, "ext", Class::Vector, V),           // ext v0.16b, v1.16b, v2.16b, #8
        (0x4e20_0820, "vector", Class::Vector, V),        // rev64 v0.16b, v1.16b
        (0x4ea2_8420, "vector", Class::Vector, V),        // add v0.4s, v1.4s, v2.4s
        (0x9e67_0000, "vector", Class::Vector, V),        // fmov d0, x0
        (0xa400_a020, "ld1", Class::Load, Z),             // ld1b {z0.b}, p0/z, [x1]
        (0xe400_e020, "st1", Class::Store, Z),            // st1b {z0.b}, p0, [x1]
        (0x04a2_3020, "vector", Class::Vector, Z),        // eor z0.d, z1.d, z2.d
        (0x9100_0420, "other", Class::Other, None),       // add x0, x1, #1
        (0xca02_0020, "other", Class::Other, None),       // eor x0, x1, x2
        (0xd280_00a0, "other", Class::Other, None),       // movz x0, #5
        (0xd420_0000, "other", Class::Other, None),       // brk #0
        (0xd503_201f, "other", Class::Other, None),       // nop
    ];

    fn of(word: u32) -> Instruction {
        decode(0, &word.to_le_bytes())
    }

    #[test]
    fn assembled_words_have_their_mnemonic_class_and_width() {
        assert_eq!(WORDS.len(), 64);
        for &(word, mnemonic, class, width) in WORDS {
            let got = of(word);
            assert_eq!((got.mnemonic.as_str(), got.class, got.width), (mnemonic, class, width), "{word:08x}");
        }
    }

    #[test]
    fn the_text_has_registers_but_no_addresses() {
        assert_eq!(of(0x54ff_ffc1).text, of(0x5400_0101).text, "b.ne to two places");
        assert_ne!(of(0x5400_0101).text, of(0x5400_0100).text, "b.ne and b.eq");
        assert_eq!(of(0x9400_0004).text, of(0x9400_1234).text, "bl to two places");
        assert_eq!(of(0x9000_0001).text, of(0xb012_3441).text, "adrp of two pages");
        assert_ne!(of(0x9000_0001).text, of(0x9000_0002).text, "adrp to two registers");
        assert_ne!(of(0xf940_0420).text, of(0xf940_0820).text, "ldr of two displacements");
        assert_eq!(of(0xd65f_03c0).text, "ret d65f03c0");
    }

    #[test]
    fn calls_and_returns_are_not_jumps() {
        assert!([0x1400_0002, 0x54ff_ffc1, 0xb400_0043, 0xd61f_0060].iter().all(|&word| of(word).jumps));
        assert!([0x9400_0004, 0xd63f_0060, 0xd65f_03c0, 0xd503_201f].iter().all(|&word| !of(word).jumps));
    }
}
