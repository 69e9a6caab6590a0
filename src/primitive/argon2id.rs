//! Argon2id, version 0x13 (RFC 9106), from the crate `argon2`.
//!
//! The crate frees its working memory without wiping it, so this function supplies the memory and wipes it.
//! Not here: encoded hashes, verification of passwords, more than one thread.

use argon2::{Algorithm, Argon2, AssociatedData, Block, Params, ParamsBuilder, Version};
use zeroize::Zeroize;

use super::{Error, Function, Primitive};

/// The most bytes of associated data that the crate takes.
pub const MAX_DATA_LEN: usize = AssociatedData::MAX_LEN;

/// This file's row in [`PRIMITIVES`](super::PRIMITIVES).
pub const PRIMITIVE: Primitive = Primitive {
    name: "argon2id",
    krate: "argon2",
    function: Function::PasswordHash(derive),
    vectors: &["argon2/argon2id"],
};

/// The inputs and costs of one call.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// Memory in KiB, at least 8 for each lane.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes, which are filled one after the other here.
    pub lanes: u32,
    /// The password, which may be empty.
    pub password: &'a [u8],
    /// The salt, at least 8 bytes.
    pub salt: &'a [u8],
    /// The secret (`K` in RFC 9106); empty for none.
    pub secret: &'a [u8],
    /// The associated data (`X` in RFC 9106), at most [`MAX_DATA_LEN`] bytes; empty for none.
    pub data: &'a [u8],
}

impl std::fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { memory_kib, passes, lanes, .. } = self;
        write!(f, "Input {{ memory_kib: {memory_kib}, passes: {passes}, lanes: {lanes}, .. }}")
    }
}

/// Fills `out` with bytes derived from the password. The memory used is wiped, also after an error.
///
/// # Errors
/// [`Error::PasswordHash`] if a cost or a length is out of range; `out` is then unchanged.
pub fn derive(input: &Input<'_>, out: &mut [u8]) -> Result<(), Error> {
    let refused = |error: argon2::Error| Error::PasswordHash(reason(error));
    let mut params = ParamsBuilder::new();
    params.m_cost(input.memory_kib).t_cost(input.passes).p_cost(input.lanes);
    let data = AssociatedData::new(input.data).map_err(refused)?;
    let params: Params = params.data(data).output_len(out.len()).build().map_err(refused)?;
    let mut memory = Wiped(vec![Block::new(); params.block_count()]);
    let (id, version) = (Algorithm::Argon2id, Version::V0x13);
    let argon2 = match input.secret {
        [] => Argon2::new(id, version, params),
        secret => Argon2::new_with_secret(secret, id, version, params).map_err(refused)?,
    };
    argon2.hash_password_into_with_memory(input.password, input.salt, out, &mut memory.0[..]).map_err(refused)
}

/// Working memory, wiped when dropped.
struct Wiped(Vec<Block>);

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

/// The crate's reason, as a clause.
fn reason(error: argon2::Error) -> &'static str {
    match error {
        argon2::Error::MemoryTooLittle => "the memory is less than 8 KiB for each lane",
        argon2::Error::TimeTooSmall => "there must be at least 1 pass",
        argon2::Error::ThreadsTooFew | argon2::Error::ThreadsTooMany => "the lanes must be 1 to 2^24 - 1",
        argon2::Error::SaltTooShort => "the salt is shorter than 8 bytes",
        argon2::Error::OutputTooShort => "the output is shorter than 4 bytes",
        argon2::Error::AdTooLong => "the associated data is longer than 32 bytes",
        _ => "an input is longer than the function permits",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: Input<'_> = Input {
        memory_kib: 32,
        passes: 3,
        lanes: 4,
        password: &[1; 32],
        salt: &[2; 16],
        secret: &[3; 8],
        data: &[4; 12],
    };

    #[test]
    fn the_example_of_rfc_9106_is_reproduced() {
        let mut out = [0; 32];
        derive(&INPUT, &mut out).unwrap();
        let expected = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659";
        assert_eq!(hex::encode(out), expected);
    }

    #[test]
    fn each_input_out_of_range_is_refused_by_name_and_nothing_is_written() {
        for (input, len, why) in [
            (Input { memory_kib: 31, ..INPUT }, 32, "the memory is less than 8 KiB for each lane"),
            (Input { passes: 0, ..INPUT }, 32, "there must be at least 1 pass"),
            (Input { lanes: 0, ..INPUT }, 32, "the lanes must be 1 to 2^24 - 1"),
            (Input { salt: &[2; 7], ..INPUT }, 32, "the salt is shorter than 8 bytes"),
            (INPUT, 3, "the output is shorter than 4 bytes"),
            (Input { data: &[4; 33], ..INPUT }, 32, "the associated data is longer than 32 bytes"),
        ] {
            let mut out = vec![7; len];
            assert_eq!(derive(&input, &mut out), Err(Error::PasswordHash(why)));
            assert_eq!(out, vec![7; len], "{why}");
        }
    }

    #[test]
    fn debug_shows_no_password() {
        assert_eq!(format!("{INPUT:?}"), "Input { memory_kib: 32, passes: 3, lanes: 4, .. }");
    }
}
