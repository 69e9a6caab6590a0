//! Decodes x86-64 instructions with `iced-x86`.

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Formatter, Instruction as Decoded, InstructionInfoFactory,
    IntelFormatter, Mnemonic, OpAccess, OpKind, Register,
};

use super::decode::{Class, Instruction, Width};

/// Length of the longest instruction in bytes.
pub(super) const LONGEST: usize = 15;
/// How far the instruction pointer is past the start of [`mark`](super::mark)'s breakpoint when it traps.
pub(super) const BREAKPOINT_LEN: u64 = 1;

/// Decodes the instruction at the start of these bytes; there may be more bytes than it needs.
pub(super) fn decode(address: u64, bytes: &[u8]) -> Instruction {
    let decoded = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE).decode();
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_rip_relative_addresses(true);
    options.set_use_pseudo_ops(false);
    let mut mnemonic = String::new();
    formatter.format_mnemonic(&decoded, &mut mnemonic);
    let mut text = String::new();
    formatter.format(&without_addresses(&decoded), &mut text);
    if is_near_branch(&decoded) {
        text.clone_from(&mnemonic);
    }
    let flow = decoded.flow_control();
    let width = width(&decoded);
    Instruction {
        class: class(&decoded, width.is_some()),
        width,
        repeats: decoded.is_string_instruction() && (decoded.has_rep_prefix() || decoded.has_repne_prefix()),
        jumps: matches!(
            flow,
            FlowControl::UnconditionalBranch | FlowControl::IndirectBranch | FlowControl::ConditionalBranch
        ),
        mnemonic,
        text,
    }
}

fn is_near_branch(decoded: &Decoded) -> bool {
    matches!(decoded.op0_kind(), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64)
}

/// Replaces every address relative to the instruction pointer by that of the next instruction.
fn without_addresses(decoded: &Decoded) -> Decoded {
    let mut plain = *decoded;
    if plain.is_ip_rel_memory_operand() {
        plain.set_memory_displacement64(plain.next_ip());
    }
    plain
}

fn width(decoded: &Decoded) -> Option<Width> {
    let of = |register: Register| match register {
        r if r.is_zmm() => Some(Width::Zmm),
        r if r.is_ymm() => Some(Width::Ymm),
        r if r.is_xmm() => Some(Width::Xmm),
        _ => None,
    };
    (0..decoded.op_count())
        .filter(|&i| decoded.op_kind(i) == OpKind::Register)
        .filter_map(|i| of(decoded.op_register(i)))
        .max()
}

fn class(decoded: &Decoded, has_vector: bool) -> Class {
    let mnemonic = decoded.mnemonic();
    if is_aes(mnemonic) {
        return Class::Aes;
    }
    if matches!(mnemonic, Mnemonic::Pclmulqdq | Mnemonic::Vpclmulqdq) {
        return Class::Multiply;
    }
    if !matches!(decoded.flow_control(), FlowControl::Next | FlowControl::Interrupt | FlowControl::Exception)
    {
        return Class::Branch;
    }
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(decoded);
    let touches = |wanted: &[OpAccess]| info.used_memory().iter().any(|m| wanted.contains(&m.access()));
    let writes = [OpAccess::Write, OpAccess::ReadWrite, OpAccess::CondWrite, OpAccess::ReadCondWrite];
    let reads = [OpAccess::Read, OpAccess::CondRead];
    if touches(&writes) {
        Class::Store
    } else if touches(&reads) && (!has_vector || only_moves(mnemonic)) {
        Class::Load
    } else if has_vector || uses_mask(decoded) {
        Class::Vector
    } else {
        Class::Other
    }
}

fn is_aes(mnemonic: Mnemonic) -> bool {
    use Mnemonic as M;
    matches!(
        mnemonic,
        M::Aesenc
            | M::Aesenclast
            | M::Aesdec
            | M::Aesdeclast
            | M::Aesimc
            | M::Aeskeygenassist
            | M::Vaesenc
            | M::Vaesenclast
            | M::Vaesdec
            | M::Vaesdeclast
            | M::Vaesimc
            | M::Vaeskeygenassist
    )
}

/// Whether it moves its source into a register unchanged: `movdqu`, `vmovdqu64`, `vbroadcasti32x4`.
fn only_moves(mnemonic: Mnemonic) -> bool {
    let name = format!("{mnemonic:?}").to_ascii_lowercase();
    let name = name.strip_prefix('v').unwrap_or(&name);
    ["mov", "broadcast", "pbroadcast", "lddqu"].iter().any(|start| name.starts_with(start))
}

/// Whether it uses a mask register of AVX-512.
fn uses_mask(decoded: &Decoded) -> bool {
    (0..decoded.op_count()).any(|i| decoded.op_kind(i) == OpKind::Register && decoded.op_register(i).is_k())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: u64, bytes: &[u8]) -> Instruction {
        decode(address, bytes)
    }

    #[test]
    fn classes_and_widths() {
        let cases: [(&[u8], &str, Class, Option<Width>); 19] = [
            (&[0x66, 0x0f, 0x38, 0xdc, 0xc1], "aesenc", Class::Aes, Some(Width::Xmm)),
            (&[0xc4, 0xe2, 0x71, 0xdd, 0xc2], "vaesenclast", Class::Aes, Some(Width::Xmm)),
            (&[0xc4, 0xe2, 0x75, 0xdc, 0xc2], "vaesenc", Class::Aes, Some(Width::Ymm)),
            (&[0x62, 0xf2, 0x75, 0x48, 0xdc, 0xc2], "vaesenc", Class::Aes, Some(Width::Zmm)),
            (&[0x66, 0x0f, 0x3a, 0x44, 0xc1, 0x11], "pclmulqdq", Class::Multiply, Some(Width::Xmm)),
            (&[0x62, 0xf3, 0x75, 0x48, 0x44, 0xc2, 0x11], "vpclmulqdq", Class::Multiply, Some(Width::Zmm)),
            (&[0x66, 0x0f, 0xef, 0xc1], "pxor", Class::Vector, Some(Width::Xmm)),
            (&[0x66, 0x0f, 0xef, 0x07], "pxor", Class::Vector, Some(Width::Xmm)),
            (&[0x62, 0xf1, 0xfe, 0x48, 0x6f, 0x07], "vmovdqu64", Class::Load, Some(Width::Zmm)),
            (&[0x62, 0xf1, 0xfe, 0x48, 0x7f, 0x07], "vmovdqu64", Class::Store, Some(Width::Zmm)),
            (&[0xc5, 0xfb, 0x92, 0xc8], "kmovd", Class::Vector, None),
            (&[0x48, 0x8b, 0x07], "mov", Class::Load, None),
            (&[0x48, 0x89, 0x07], "mov", Class::Store, None),
            (&[0x48, 0x03, 0x07], "add", Class::Load, None),
            (&[0x48, 0x8d, 0x47, 0x10], "lea", Class::Other, None),
            (&[0x0f, 0x1f, 0x00], "nop", Class::Other, None),
            (&[0x75, 0xf0], "jne", Class::Branch, None),
            (&[0xc3], "ret", Class::Branch, None),
            (&[0xff, 0x50, 0x18], "call", Class::Branch, None),
        ];
        for (bytes, mnemonic, class, width) in cases {
            let got = at(0x1000, bytes);
            assert_eq!((got.mnemonic.as_str(), got.class, got.width), (mnemonic, class, width), "{got:?}");
        }
    }

    #[test]
    fn the_text_has_displacements_but_no_addresses() {
        for bytes in [&[0x75, 0xf0][..], &[0xe8, 1, 2, 3, 4], &[0xf3, 0x0f, 0x6f, 0x05, 1, 2, 3, 4]] {
            assert_eq!(at(0x1000, bytes).text, at(0x7f00_1234_5678, bytes).text);
        }
        assert_eq!(at(0x1000, &[0x75, 0xf0]).text, at(0x1000, &[0x75, 0x10]).text);
        let relative = |displacement: u8| at(0, &[0xf3, 0x0f, 0x6f, 0x05, displacement, 2, 3, 4]).text;
        assert_eq!(relative(1), relative(9));
        assert!(relative(1).contains("[rip"), "{}", relative(1));
        let displaced = |displacement: u8| at(0, &[0x48, 0x8b, 0x47, displacement]).text;
        assert_eq!(displaced(0x10), "mov rax,[rdi+10h]");
        assert_ne!(displaced(0x10), displaced(0x18));
    }

    #[test]
    fn string_instructions_repeat_only_with_a_prefix_and_calls_are_not_jumps() {
        assert!(at(0, &[0xf3, 0xa4]).repeats);
        assert!(!at(0, &[0xa4]).repeats);
        assert!(!at(0, &[0xf3, 0xc3]).repeats, "a return with the prefix, as old compilers emit it");
        assert!(at(0, &[0x75, 0xf0]).jumps && at(0, &[0xeb, 0xf0]).jumps);
        assert!(!at(0, &[0xe8, 1, 2, 3, 4]).jumps && !at(0, &[0xc3]).jumps);
    }

    #[test]
    fn undecodable_bytes_count_as_other() {
        let got = at(0, &[0x06]);
        assert_eq!((got.class, got.width), (Class::Other, None));
    }
}
