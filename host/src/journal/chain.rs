//! The hash chain: what ties every entry to the one before it.
//!
//! The hash of an entry is SHA-256 over the bytes below; integers are little-endian. The hash of the entry before the first is 32 zero
//! bytes. An entry that is changed, left out, put in or moved changes its own hash and those of all that follow.
//!
//! ```text
//! hash of the entry before: 32 bytes | seq: u64 | at: i64 | kind: u8 | payload …
//! ```
//!
//! The end of the chain is signed with every commit (`head`), and once in a while inside the chain (a checkpoint entry): Ed25519
//! over the bytes below. A head cannot be passed off as a checkpoint or the other way round.
//!
//! ```text
//! "tutin journal head" or "tutin journal checkpoint" | seq: u64 | hash: 32 bytes | at: i64
//! ```

use std::fmt;

use sha2::{Digest, Sha256};

use crate::key::SigningKey;
use crate::notation::{hex, unhex};
use crate::time::Timestamp;

/// SHA-256 of an entry and, through it, of all before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What the first entry follows.
    pub const ORIGIN: Hash = Hash([0; 32]);

    /// From the bytes of a column.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Hash)
    }

    /// From 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        unhex(text).and_then(|bytes| Self::from_bytes(&bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an entry consists of, without its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link<'a> {
    /// Sequence number.
    pub seq: u64,
    /// When it was committed.
    pub at: Timestamp,
    /// Kind of entry.
    pub kind: i64,
    /// What stands in it.
    pub payload: &'a [u8],
}

impl Link<'_> {
    /// The entry's hash behind this one.
    pub fn after(&self, before: Hash) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(before.0);
        hasher.update(self.seq.to_le_bytes());
        hasher.update(self.at.0.to_le_bytes());
        hasher.update([u8::try_from(self.kind).unwrap_or(u8::MAX)]);
        hasher.update(self.payload);
        Hash(hasher.finalize().into())
    }
}

/// The last entry of a chain, or of a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Sequence number, 0 when there is none.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
    /// When it was committed.
    pub at: Timestamp,
}

/// What a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// The end of the journal as it stands.
    Head,
    /// A place inside the chain.
    Checkpoint,
}

impl End {
    /// Where a chain without entries ends.
    pub const ORIGIN: End = End { seq: 0, hash: Hash::ORIGIN, at: Timestamp(i64::MIN) };

    /// The bytes that are signed.
    pub fn message(&self, seal: Seal) -> Vec<u8> {
        let label: &[u8] = match seal {
            Seal::Head => b"tutin journal head",
            Seal::Checkpoint => b"tutin journal checkpoint",
        };
        [label, &self.seq.to_le_bytes(), &self.hash.0, &self.at.0.to_le_bytes()].concat()
    }

    /// Signs it.
    pub fn sign(&self, seal: Seal, key: &SigningKey) -> [u8; 64] {
        key.sign(&self.message(seal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with `sha256sum` over the bytes of the picture.
    #[test]
    fn the_hash_is_that_of_the_picture() {
        let link = Link { seq: 1, at: Timestamp(2), kind: 4, payload: b"{}" };
        let mut bytes = vec![0; 32];
        bytes.extend([1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 4, b'{', b'}']);
        assert_eq!(link.after(Hash::ORIGIN), Hash(Sha256::digest(&bytes).into()));
        assert_eq!(
            link.after(Hash::ORIGIN).to_string(),
            "7d3a9b36c94c22df69b5d6b3e7c77384c63d8b249063fbe63019fa262c61f6ec"
        );
    }

    #[test]
    fn each_part_of_an_entry_decides_about_its_hash() {
        let link = Link { seq: 7, at: Timestamp(8), kind: 2, payload: b"abc" };
        let hash = link.after(Hash::ORIGIN);
        let others = [
            Link { seq: 8, ..link },
            Link { at: Timestamp(9), ..link },
            Link { kind: 3, ..link },
            Link { payload: b"abd", ..link },
        ];
        assert!(others.iter().all(|other| other.after(Hash::ORIGIN) != hash));
        assert_ne!(link.after(hash), hash);
    }

    #[test]
    fn hexadecimal_digits_come_back() {
        assert_eq!(Hash::from_hex(&Hash([0xa5; 32]).to_string()), Some(Hash([0xa5; 32])));
        assert_eq!(Hash::from_hex("a5"), None);
        assert_eq!(unhex("xx"), None);
    }
}
