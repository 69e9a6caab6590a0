//! The authenticated stream: eight bytes that name it, then [`chunked`](super::chunked) encryption.
//!
//! Nothing is negotiated. The key is a file of exactly 32 bytes, another one than the compatible stream's.
//! The context binds the stream to its format and to whatever the user names: the cluster, the day, the peer.
//! It does not see a whole earlier stream that is sent again, unless the context or the transport differs.

use std::fmt;
use std::io::{Read, Write};
use std::path::Path;

use super::Error;
use super::chunked::{HEADER_LEN, KEY_LEN, Opener, Sealer};
use super::reading::exact;
use super::sink::{Sink, Transfer};
use crate::disk;
use crate::engine::{self, Engine};
use crate::envelope::SecretKey;

/// The first bytes of a stream; the last of them is the version.
pub const MAGIC: [u8; 8] = *b"SEALSNP\x01";

/// The beginning of every context.
const FORMAT: &[u8] = b"sealmark.snapshot/1";

/// What a stream is bound to. Both ends must name the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Context(Vec<u8>);

impl Context {
    /// The format's name, a zero byte, and the user's bytes, which may be empty.
    pub fn new(own: &[u8]) -> Self {
        Self([FORMAT, &[0], own].concat())
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The long-term key of authenticated streams, and the engine that runs the keys derived from it.
#[derive(Clone)]
pub struct StreamKey {
    engine: &'static dyn Engine,
    key: SecretKey,
}

impl StreamKey {
    /// The key in a file of exactly 32 bytes that only its owner can read.
    ///
    /// # Errors
    /// [`Error::KeyMaterial`]; [`Error::Io`] if the file cannot be read.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let mut key = SecretKey::default();
        match disk::read_key_file(path, &mut key) {
            Ok(()) => {
                Ok(Self::new(engine::find("sealmark").expect("the engine `sealmark` always exists"), key))
            }
            Err(disk::KeyFileError::Io { reason, .. }) => Err(Error::io("reading the key file")(reason)),
            Err(other) => Err(Error::KeyMaterial(other.to_string())),
        }
    }

    /// This key on this engine. The key must be uniformly random.
    pub fn new(engine: &'static dyn Engine, key: SecretKey) -> Self {
        Self { engine, key }
    }

    /// The same key on another engine.
    pub fn on(self, engine: &'static dyn Engine) -> Self {
        Self { engine, ..self }
    }

    /// Begins a stream under a random salt.
    ///
    /// # Errors
    /// As [`Sealer::new`].
    pub fn sealer(&self, context: &Context) -> Result<Sealer, Error> {
        Sealer::new(self.engine, &self.key, context.bytes())
    }

    /// Begins to read a stream with this header.
    ///
    /// # Errors
    /// As [`Opener::new`].
    pub fn opener(&self, context: &Context, header: &[u8; HEADER_LEN]) -> Result<Opener, Error> {
        Opener::new(self.engine, &self.key, context.bytes(), header)
    }

    /// The engine.
    pub(super) const fn engine(&self) -> &'static dyn Engine {
        self.engine
    }

    /// The key's bytes.
    pub(super) fn bytes(&self) -> &[u8; KEY_LEN] {
        &self.key
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamKey").field("engine", &self.engine.name()).finish_non_exhaustive()
    }
}

/// Sends what a source gives up to its end, and returns its length. One chunk is in memory.
///
/// # Errors
/// [`Error::Source`], [`Error::Io`], [`Error::Engine`]; [`Error::Protocol`] after 4 PiB.
pub fn send(
    stream: &mut dyn Write,
    source: &mut dyn Read,
    key: &StreamKey,
    context: &Context,
) -> Result<u64, Error> {
    let sealer = key.sealer(context)?;
    stream.write_all(&MAGIC).map_err(Error::io("sending the snapshot"))?;
    sealer.seal_stream(source, stream)
}

/// Receives a stream into a sink and returns its length. One chunk is in memory. The sink is not touched
/// before the first chunk is authentic, and commits only after the last one.
///
/// # Errors
/// [`Error::Truncated`], [`Error::Io`], [`Error::Protocol`], [`Error::Crypto`], [`Error::Sink`],
/// [`Error::Engine`].
pub fn receive(
    stream: &mut dyn Read,
    key: &StreamKey,
    context: &Context,
    sink: &dyn Sink,
) -> Result<u64, Error> {
    let mut transfer: Option<Box<dyn Transfer + '_>> = None;
    let opened = read_head(stream).and_then(|header| key.opener(context, &header)).and_then(|opener| {
        opener.open_stream(stream, &mut |text| {
            if transfer.is_none() {
                transfer = Some(sink.begin()?);
            }
            transfer.as_mut().expect("it was begun above").write(text)
        })
    });
    match (opened, transfer) {
        (Ok(len), Some(transfer)) => transfer.commit().map(|()| len).map_err(Error::Sink),
        (opened, transfer) => {
            if let Some(transfer) = transfer {
                transfer.abort();
            }
            opened
        }
    }
}

/// Checks the name of the stream and returns the header of its encryption.
pub(super) fn read_head(stream: &mut dyn Read) -> Result<[u8; HEADER_LEN], Error> {
    let (mut magic, mut header) = ([0; MAGIC.len()], [0; HEADER_LEN]);
    exact(stream, &mut magic, "its name")?;
    if magic != MAGIC {
        let (name, version) = (magic[..7] == MAGIC[..7], magic[7]);
        return Err(Error::Protocol(match name {
            true => format!("this is version {version} of the hardened stream; only 1 is supported"),
            false => "this is no hardened snapshot stream: configure both ends for the same mode".into(),
        }));
    }
    exact(stream, &mut header, "its header")?;
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::super::sink::MemorySink;
    use super::super::testing::Trickle;
    use super::super::{Passing, chunked};
    use super::*;
    use crate::aead::TAG_LEN;

    fn key(byte: u8) -> StreamKey {
        let mut key = SecretKey::default();
        key.fill(byte);
        StreamKey::new(engine::find("sealmark").unwrap(), key)
    }

    fn sent(text: &[u8], own: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        assert_eq!(send(&mut wire, &mut &text[..], &key(1), &Context::new(own)).unwrap(), text.len() as u64);
        wire
    }

    /// What a sink that held `old` holds afterwards, and the result.
    fn received(mut wire: &[u8], key: &StreamKey, own: &[u8]) -> (Result<u64, Error>, Vec<u8>) {
        let sink = MemorySink::holding("old");
        let done = receive(&mut wire, key, &Context::new(own), &sink);
        assert_eq!(sink.committed(), u64::from(done.is_ok()));
        (done, sink.content())
    }

    #[test]
    fn a_stream_of_any_length_replaces_what_the_sink_held() {
        for len in [0, 1, 16_384, 50_000] {
            let text = vec![9; len];
            let (done, content) = received(&sent(&text, b"db"), &key(1), b"db");
            assert_eq!((done.unwrap(), content), (len as u64, text));
        }
        let trickled = sent(b"text", b"");
        let sink = MemorySink::default();
        receive(&mut Trickle(&trickled, None), &key(1), &Context::new(b""), &sink).unwrap();
        assert_eq!(sink.content(), b"text");
    }

    #[test]
    fn another_key_context_name_or_version_leaves_the_sink_untouched() {
        let wire = sent(b"text", b"db");
        let [mut name, mut version] = [wire.clone(), wire.clone()];
        name[0] ^= 1;
        version[7] = 2;
        for (wire, key, own, kind, why) in [
            (&wire, key(2), &b"db"[..], "Crypto", "not authentic"),
            (&wire, key(1), b"", "Crypto", "another context"),
            (&name, key(1), b"db", "Protocol", "no hardened snapshot stream"),
            (&version, key(1), b"db", "Protocol", "version 2"),
        ] {
            let (done, content) = received(wire, &key, own);
            let refused = done.unwrap_err();
            assert_eq!((refused.spec_name(), content), (kind, b"old".to_vec()));
            assert!(refused.to_string().contains(why), "{refused}");
        }
    }

    /// Cut short, reordered, duplicated, spliced: the sink keeps what it held.
    #[test]
    fn whatever_is_done_to_the_chunks_leaves_the_sink_untouched() {
        let [wire, other] = [1, 2].map(|byte| sent(&vec![byte; 3 * chunked::CHUNK_LEN + 7], b""));
        let (head, chunk) = (MAGIC.len() + HEADER_LEN, chunked::CHUNK_LEN + TAG_LEN);
        let at = |wire: &[u8], i: usize| wire[head + i * chunk..head + (i + 1) * chunk].to_vec();
        let rest = |i: usize| wire[head + i * chunk..].to_vec();
        let joined = |parts: &[Vec<u8>]| [vec![wire[..head].to_vec()], parts.to_vec()].concat().concat();
        let first = || at(&wire, 0);
        for (what, wire) in [
            ("swapped", joined(&[at(&wire, 1), first(), rest(2)])),
            ("repeated", joined(&[first(), first(), rest(1)])),
            ("missing", joined(&[first(), rest(2)])),
            ("from another stream", joined(&[first(), at(&other, 1), rest(2)])),
            ("another stream's header", [&other[..head], &wire[head..]].concat()),
            ("followed by a byte", joined(&[rest(0), vec![0]])),
            ("followed by itself", joined(&[rest(0), rest(0)])),
            ("without the last chunk", wire[..head + 3 * chunk].to_vec()),
            ("without its end", wire[..wire.len() - 1].to_vec()),
        ] {
            let (done, content) = received(&wire, &key(1), b"");
            assert!(["Crypto", "Io"].contains(&done.unwrap_err().spec_name()), "{what}");
            assert_eq!(content, b"old", "{what}");
        }
    }

    #[test]
    fn a_sink_that_passes_on_has_a_prefix_after_a_broken_stream() {
        let text: Vec<u8> = (0..40_000_u32).map(|i| i as u8).collect();
        let wire = sent(&text, b"");
        let sink = Passing::new(Vec::new());
        let refused = receive(&mut &wire[..wire.len() - 1], &key(1), &Context::new(b""), &sink).unwrap_err();
        assert_eq!(refused.spec_name(), "Crypto");
        assert_eq!(sink.into_inner(), text[..2 * chunked::CHUNK_LEN]);
    }

    #[test]
    fn a_key_file_has_exactly_32_bytes_and_debug_shows_none_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let write = |len: usize| {
            std::fs::write(&path, vec![1; len]).unwrap();
            #[cfg(unix)]
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            StreamKey::load(&path)
        };
        for len in [0, 31, 33] {
            assert_eq!(write(len).unwrap_err().spec_name(), "KeyMaterial", "{len}");
        }
        let loaded = write(32).unwrap();
        assert_eq!(loaded.bytes(), key(1).bytes());
        assert_eq!(format!("{loaded:?}"), "StreamKey { engine: \"sealmark\", .. }");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(StreamKey::load(&path).unwrap_err().spec_name(), "Io");
    }

    #[test]
    fn contexts_of_the_user_never_meet_another_format() {
        assert_eq!(Context::new(b"db").bytes(), b"sealmark.snapshot/1\0db");
        assert_ne!(Context::new(b""), Context::new(b"\0"));
    }
}
