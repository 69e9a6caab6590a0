//! The AES S-box (FIPS 197, 5.1.1) as a circuit, so that no table is read at a secret index.
//!
//! This is the circuit of 115 gates by Boyar and Peralta ("A new combinational logic minimization technique
//! with applications to cryptology", 2009), with its names: `x0` and `s0` are the highest bits. The later
//! circuit of 113 gates was 1 % faster.

/// Applies the S-box to as many bytes as a word has bits: bit `n` of each byte is in word `n`.
#[inline(always)]
pub(super) fn sub_bytes(bits: [u32; 8]) -> [u32; 8] {
    let [x7, x6, x5, x4, x3, x2, x1, x0] = bits;

    let y14 = x3 ^ x5;
    let y13 = x0 ^ x6;
    let y9 = x0 ^ x3;
    let y8 = x0 ^ x5;
    let t0 = x1 ^ x2;
    let y1 = t0 ^ x7;
    let y4 = y1 ^ x3;
    let y12 = y13 ^ y14;
    let y2 = y1 ^ x0;
    let y5 = y1 ^ x6;
    let y3 = y5 ^ y8;
    let t1 = x4 ^ y12;
    let y15 = t1 ^ x5;
    let y20 = t1 ^ x1;
    let y6 = y15 ^ x7;
    let y10 = y15 ^ t0;
    let y11 = y20 ^ y9;
    let y7 = x7 ^ y11;
    let y17 = y10 ^ y11;
    let y19 = y10 ^ y8;
    let y16 = t0 ^ y11;
    let y21 = y13 ^ y16;
    let y18 = x0 ^ y16;

    let t2 = y12 & y15;
    let t3 = (y3 & y6) ^ t2;
    let t5 = (y4 & x7) ^ t2;
    let t7 = y13 & y16;
    let t8 = (y5 & y1) ^ t7;
    let t10 = (y2 & y7) ^ t7;
    let t12 = y9 & y11;
    let t13 = (y14 & y17) ^ t12;
    let t15 = (y8 & y10) ^ t12;
    let t21 = t3 ^ t13 ^ y20;
    let t22 = t5 ^ t15 ^ y19;
    let t23 = t8 ^ t13 ^ y21;
    let t24 = t10 ^ t15 ^ y18;

    let t25 = t21 ^ t22;
    let t26 = t21 & t23;
    let t27 = t24 ^ t26;
    let t28 = t25 & t27;
    let t29 = t28 ^ t22;
    let t30 = t23 ^ t24;
    let t31 = t22 ^ t26;
    let t32 = t31 & t30;
    let t33 = t32 ^ t24;
    let t34 = t23 ^ t33;
    let t35 = t27 ^ t33;
    let t36 = t24 & t35;
    let t37 = t36 ^ t34;
    let t38 = t27 ^ t36;
    let t39 = t29 & t38;
    let t40 = t25 ^ t39;
    let t41 = t40 ^ t37;
    let t42 = t29 ^ t33;
    let t43 = t29 ^ t40;
    let t44 = t33 ^ t37;
    let t45 = t42 ^ t41;

    let z0 = t44 & y15;
    let z1 = t37 & y6;
    let z2 = t33 & x7;
    let z3 = t43 & y16;
    let z4 = t40 & y1;
    let z5 = t29 & y7;
    let z6 = t42 & y11;
    let z7 = t45 & y17;
    let z8 = t41 & y10;
    let z9 = t44 & y12;
    let z10 = t37 & y3;
    let z11 = t33 & y4;
    let z12 = t43 & y13;
    let z13 = t40 & y5;
    let z14 = t29 & y2;
    let z15 = t42 & y9;
    let z16 = t45 & y14;
    let z17 = t41 & y8;

    let t46 = z15 ^ z16;
    let t47 = z10 ^ z11;
    let t48 = z5 ^ z13;
    let t49 = z9 ^ z10;
    let t50 = z2 ^ z12;
    let t51 = z2 ^ z5;
    let t52 = z7 ^ z8;
    let t53 = z0 ^ z3;
    let t54 = z6 ^ z7;
    let t55 = z16 ^ z17;
    let t56 = z12 ^ t48;
    let t57 = t50 ^ t53;
    let t58 = z4 ^ t46;
    let t59 = z3 ^ t54;
    let t60 = t46 ^ t57;
    let t61 = z14 ^ t57;
    let t62 = t52 ^ t58;
    let t63 = t49 ^ t58;
    let t64 = z4 ^ t59;
    let t65 = t61 ^ t62;
    let t66 = z1 ^ t63;
    let s0 = t59 ^ t63;
    let s6 = t56 ^ !t62;
    let s7 = t48 ^ !t60;
    let t67 = t64 ^ t65;
    let s3 = t53 ^ t66;
    let s4 = t51 ^ t66;
    let s5 = t47 ^ t65;
    let s1 = t64 ^ !s3;
    let s2 = t55 ^ !t67;
    [s7, s6, s5, s4, s3, s2, s1, s0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 197, 5.1.1: the inverse in GF(2^8), then an affine map.
    fn by_definition(byte: u8) -> u8 {
        let product = |a: u8, b: u8| {
            (0..8).rev().fold(0u8, |sum, bit| {
                let sum = (sum << 1) ^ (0x1b * (sum >> 7));
                sum ^ (a * (b >> bit & 1))
            })
        };
        let inverse = (1..=255).find(|candidate| product(byte, *candidate) == 1).unwrap_or(0u8);
        (0..5).fold(0x63, |sum, turn| sum ^ inverse.rotate_left(turn))
    }

    #[test]
    fn every_byte_maps_as_the_standard_defines() {
        for first in (0..=255u8).step_by(32) {
            // 32 bytes at once, one in each bit of the words.
            let bits = core::array::from_fn(|n| {
                (0..32).fold(0, |word, i| word | u32::from((first + i) >> n & 1) << i)
            });
            let after = sub_bytes(bits);
            for i in 0..32 {
                let byte = (0..8).fold(0, |byte, n| byte | ((after[n] >> i & 1) as u8) << n);
                assert_eq!(byte, by_definition(first + i), "{:02x}", first + i);
            }
        }
    }
}
