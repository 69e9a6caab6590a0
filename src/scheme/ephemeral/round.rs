//! The id of a round, and the context of a blob in it (spec §2, §6).

use std::fmt;
use std::str::FromStr;

use crate::envelope::wrap::KEY_LEN;
use crate::primitive::sha256;

/// The largest id, 2^256 - 1.
const MAX_ID: &str = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
/// The most bytes in a printed id: 20 digits, a colon, 78 digits.
pub(super) const MAX_ROUND_LEN: usize = 20 + 1 + MAX_ID.len();

/// A text that is not the id of a round.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{text:?} is not the id of a round: {why}")]
pub struct NotRoundId {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// A round: a chain's id, and a decimal number of up to 256 bits, kept as it was written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RoundId {
    chain: u64,
    id: Box<str>,
}

impl RoundId {
    /// The round with this number on this chain.
    ///
    /// # Errors
    /// [`NotRoundId`] if the id is not a decimal number below 2^256 of at most 78 digits.
    pub fn new(chain: u64, id: &str) -> Result<Self, NotRoundId> {
        let refused = |why| Err(NotRoundId { text: id.into(), why });
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return refused("it must consist of decimal digits");
        }
        if id.len() > MAX_ID.len() || (id.len() == MAX_ID.len() && id > MAX_ID) {
            return refused("it must be below 2^256, with at most 78 digits");
        }
        Ok(Self { chain, id: id.into() })
    }

    /// The key of its record in the reference's store. Absolute: a key relative to the round's own scope
    /// would name another record in each actor.
    pub fn store_key(&self) -> String {
        format!("//e3_keys/{self}")
    }
}

impl fmt::Display for RoundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.chain, self.id)
    }
}

impl FromStr for RoundId {
    type Err = NotRoundId;

    fn from_str(text: &str) -> Result<Self, NotRoundId> {
        let refused = |why| NotRoundId { text: text.into(), why };
        let (chain, id) = text.split_once(':').ok_or_else(|| refused("it must be CHAIN:ID"))?;
        let digits = chain.bytes().all(|byte| byte.is_ascii_digit());
        let number = chain.parse().ok().filter(|_| digits);
        Self::new(number.ok_or_else(|| refused("the chain must be a decimal number below 2^64"))?, id)
    }
}

/// Where a blob goes. The reference once used one cipher for each, and mixed them up twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// It stays in this node's store.
    AtRest,
    /// It is handed to the compute worker.
    InTransit,
}

/// What a blob holds (spec §6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Purpose {
    /// A BFV keyshare.
    Keyshare,
    /// A threshold share.
    ThresholdShare,
    /// A decryption share.
    DecryptionShare,
    /// The node's own share.
    OwnShare,
    /// The input of a proof.
    ProofInput,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 5] =
        [Self::Keyshare, Self::ThresholdShare, Self::DecryptionShare, Self::OwnShare, Self::ProofInput];
}

/// The place of a blob: its round, its role, its purpose.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Context {
    /// The round whose key seals it.
    pub round: RoundId,
    /// Where it goes.
    pub role: Role,
    /// What it holds.
    pub purpose: Purpose,
}

impl Context {
    /// The AAD of a bound blob.
    fn aad(&self) -> Vec<u8> {
        let round = self.round.to_string();
        let len = u8::try_from(round.len()).expect("a round's id has at most 99 bytes");
        [
            b"sealmark round blob 1".as_slice(),
            &[len],
            round.as_bytes(),
            &[self.role as u8, self.purpose as u8],
        ]
        .concat()
    }
}

/// What a blob binds besides its plaintext.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Form {
    /// Nothing, as in the reference: blobs of one round can trade places.
    #[default]
    Compatible,
    /// Its context, as AAD. Ours alone; the bytes are laid out the same.
    Bound,
}

impl Form {
    /// The AAD of a blob in this context.
    pub(super) fn aad(self, context: &Context) -> Vec<u8> {
        match self {
            Self::Compatible => Vec::new(),
            Self::Bound => context.aad(),
        }
    }

    /// The AAD of a round's wrapped key. A key under a mask also binds the digest of the mask: opened with
    /// another mask or with none, it would be another key, under which somebody might seal. The digest of 32
    /// random bytes says nothing about them.
    pub(super) fn record_aad(self, round: &RoundId, mask: Option<&[u8; KEY_LEN]>) -> Vec<u8> {
        let mut aad = match self {
            Self::Compatible => Vec::new(),
            Self::Bound => [b"sealmark round key 1".as_slice(), round.to_string().as_bytes()].concat(),
        };
        if let Some(mask) = mask {
            aad.extend(b" under mask ");
            aad.extend(sha256::digest(mask));
        }
        aad
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_decimal_number_below_2_to_the_256th_and_prints_as_it_was_written() {
        for (chain, id, text) in [(1, "1", "1:1"), (0, "0", "0:0"), (31_337, "007", "31337:007")] {
            let round = RoundId::new(chain, id).unwrap();
            assert_eq!(round.to_string(), text);
            assert_eq!(text.parse::<RoundId>().unwrap(), round);
            assert_eq!(round.store_key(), format!("//e3_keys/{text}"));
        }
        let longest = RoundId::new(u64::MAX, MAX_ID).unwrap();
        assert_eq!(longest.to_string().len(), MAX_ROUND_LEN);
        let above = MAX_ID.replace("935", "936");
        for (id, reason) in [
            ("", "decimal digits"),
            ("-1", "decimal digits"),
            ("1:1", "decimal digits"),
            ("\u{661}", "decimal digits"),
            (&above, "below 2^256"),
            (&format!("0{MAX_ID}"), "below 2^256"),
        ] {
            let refused = RoundId::new(1, id).unwrap_err().to_string();
            assert!(refused.contains(reason), "{refused}");
        }
        for (text, reason) in
            [("1", "CHAIN:ID"), ("+1:1", "the chain must be"), ("18446744073709551616:1", "2^64")]
        {
            let refused = text.parse::<RoundId>().unwrap_err().to_string();
            assert!(refused.contains(reason), "{refused}");
        }
    }

    #[test]
    fn no_two_contexts_have_the_same_aad() {
        let mut seen = std::collections::BTreeSet::new();
        let mut contexts = 0;
        for round in ["1:1", "1:11", "11:1"] {
            let round: RoundId = round.parse().unwrap();
            for role in [Role::AtRest, Role::InTransit] {
                for purpose in Purpose::ALL {
                    contexts += 1;
                    seen.insert(Context { round: round.clone(), role, purpose }.aad());
                }
            }
            for mask in [None, Some(&[1; KEY_LEN]), Some(&[2; KEY_LEN])] {
                assert!(seen.insert(Form::Bound.record_aad(&round, mask)));
                contexts += 1;
            }
        }
        assert_eq!(seen.len(), contexts);
    }
}
