//! One vector, assembled from the members that a decoder has read.

use crate::aead::{Alg, TAG_LEN};
use crate::verify::Case;
use crate::verify::aead_case::{AeadCase, Expect};

/// One vector as its file gives it.
pub(super) struct Parts {
    pub key: Vec<u8>,
    pub iv: Vec<u8>,
    pub aad: Vec<u8>,
    /// `None` if the file has none, which is valid only for a vector that must be refused.
    pub message: Option<Vec<u8>>,
    pub ciphertext: Vec<u8>,
    pub tag: Vec<u8>,
    pub expect: Expect,
}

impl Parts {
    /// The case for this vector.
    ///
    /// # Errors
    /// Why it is not a case; the decoder adds the place.
    pub fn case(self, id: String) -> Result<Case, String> {
        let bits = self.key.len() * 8;
        let alg = Alg::from_key_len(self.key.len())
            .ok_or_else(|| format!("a key of {bits} bits: AES has 128, 192 or 256"))?;
        if self.tag.len() > TAG_LEN {
            return Err(format!("a tag of {} bits: GCM has at most 128", self.tag.len() * 8));
        }
        let message = match (self.message, self.expect) {
            (Some(message), _) => message,
            (None, Expect::Invalid) => Vec::new(),
            (None, _) => return Err("the message is missing, but the case must not be refused".into()),
        };
        if self.expect != Expect::Invalid && message.len() != self.ciphertext.len() {
            let (message, ciphertext) = (message.len(), self.ciphertext.len());
            return Err(format!("a message of {message} bytes and a ciphertext of {ciphertext}"));
        }
        let Self { key, iv, aad, ciphertext, tag, expect, .. } = self;
        Ok(Case { id, check: Box::new(AeadCase { alg, key, iv, aad, message, ciphertext, tag, expect }) })
    }
}
