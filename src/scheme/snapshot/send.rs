//! The sender (spec §1, §4): one connection carries one snapshot, and nothing comes back.

use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use super::chunk::ChunkCipher;
use super::source::{take, total_len};
use super::transport::{Plain, Stream, Timed, Transport, dial};
use super::{Config, Error, Format, Limits, Negotiation, SnapshotHeader, Source, hardened};

/// Writes a whole compatible stream, encrypted if there is a cipher, and returns the length of the snapshot.
/// The sizes must have been validated.
///
/// # Errors
/// [`Error::Config`] if a size does not fit its field; [`Error::Source`] if the snapshot is too long;
/// [`Error::Io`].
pub fn write(
    stream: &mut dyn Write,
    snapshot: &[u8],
    cipher: Option<&ChunkCipher>,
    header_size: usize,
    buffer_size: usize,
) -> Result<u64, Error> {
    let io = || Error::io("sending the snapshot");
    let header = SnapshotHeader { total_len: total_len(snapshot.len())?, encrypted: cipher.is_some() };
    let mut frame = Negotiation::of(header_size, buffer_size)?.to_wire().to_vec();
    frame.extend(header.to_wire(header_size)?);
    stream.write_all(&frame).map_err(io())?;
    for text in snapshot.chunks(buffer_size.max(1)) {
        frame.clear();
        let len = cipher.map_or(text.len(), |_| ChunkCipher::encrypted_len(text.len()));
        let len = u32::try_from(len).map_err(|_| Error::Config("a chunk exceeds 2^32 bytes".into()))?;
        frame.extend(len.to_be_bytes());
        match cipher {
            Some(cipher) => cipher.encrypt(text, &mut frame),
            None => frame.extend_from_slice(text),
        }
        stream.write_all(&frame).map_err(io())?;
    }
    stream.flush().map_err(io())?;
    Ok(snapshot.len() as u64)
}

/// Sends snapshots.
#[derive(Clone, Debug)]
pub struct Sender {
    config: Config,
    format: Format,
    transport: Arc<dyn Transport>,
    limits: Option<Limits>,
}

impl Sender {
    /// A sender over TCP without deadlines, as in the reference. The configuration is validated by each call
    /// that sends.
    pub fn new(config: Config, format: Format) -> Self {
        Self { config, format, transport: Arc::new(Plain), limits: None }
    }

    /// The same over another transport.
    pub fn over(self, transport: Arc<dyn Transport>) -> Self {
        Self { transport, ..self }
    }

    /// The same with these deadlines.
    pub fn within(self, limits: Limits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// Validates the configuration, and loads the keys so that later calls do not read the files.
    ///
    /// # Errors
    /// [`Error::Config`]; as [`Material::load`](super::Material::load).
    pub fn loaded(mut self) -> Result<Self, Error> {
        self.config.validate()?;
        if self.config.encrypt {
            self.format = self.format.loaded()?;
        }
        Ok(self)
    }

    /// Sends a snapshot to the configured peer and returns its length.
    ///
    /// In this order: the configuration is validated, the keys are loaded, the source is asked, the receiver
    /// is dialled.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::KeyMaterial`], [`Error::Source`], [`Error::Io`], [`Error::Engine`].
    pub fn send(&self, source: &dyn Source) -> Result<u64, Error> {
        let peer = &self.config.peer_endpoint;
        let host = peer.rsplit_once(':').map_or(&**peer, |(host, _)| host);
        self.send_over(source, host.trim_matches(['[', ']']), &|| resolve(&peer[..]))
    }

    /// Sends a snapshot to another receiver: its name, and its address.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_to(&self, source: &dyn Source, host: &str, address: SocketAddr) -> Result<u64, Error> {
        self.send_over(source, host, &|| Ok(address))
    }

    fn send_over(
        &self,
        source: &dyn Source,
        host: &str,
        address: &dyn Fn() -> Result<SocketAddr, Error>,
    ) -> Result<u64, Error> {
        let (header_size, buffer_size) = (self.config.header_size, self.config.buffer_size);
        let sent = match &self.format {
            Format::Compat(keys) | Format::Safe(keys) => {
                self.config.validate()?;
                let cipher = match self.config.encrypt {
                    true => Some(ChunkCipher::new(&*keys.load()?)),
                    false => None,
                };
                let snapshot = take(source)?;
                let mut stream = self.dial(host, address()?)?;
                let sent = write(&mut *stream, &snapshot, cipher.as_ref(), header_size, buffer_size)?;
                (stream, sent)
            }
            Format::Hardened(key, context) => {
                let mut from = source.open().map_err(Error::Source)?;
                let mut stream = self.dial(host, address()?)?;
                let sent = hardened::send(&mut *stream, &mut *from, key, context)?;
                (stream, sent)
            }
        };
        let (mut stream, len) = sent;
        stream.finish().map_err(Error::io("ending the stream"))?;
        Ok(len)
    }

    fn dial(&self, host: &str, address: SocketAddr) -> Result<Box<dyn Stream>, Error> {
        let tcp = dial(self.config.send_addr, address).map_err(Error::io("dialling the receiver"))?;
        let timed = Timed::new(tcp, self.limits.as_ref()).map_err(Error::io("setting up the connection"))?;
        self.transport.connect(timed, host).map_err(Error::io("agreeing on a secure connection"))
    }
}

/// The first address of a name.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn resolve(endpoint: impl ToSocketAddrs) -> Result<SocketAddr, Error> {
    let io = || Error::io("resolving the receiver's name");
    let mut found = endpoint.to_socket_addrs().map_err(io())?;
    found.next().ok_or_else(|| io()(std::io::Error::other("it has no address")))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::testing::{Files, Full, material};
    use super::super::{BoxError, StaticSource};
    use super::*;

    #[test]
    fn chunks_have_the_configured_size_and_the_last_one_the_rest() {
        let (mut plain, mut sealed) = (Vec::new(), Vec::new());
        let cipher = ChunkCipher::new(&material());
        assert_eq!(write(&mut plain, &[7; 40], None, 8, 16).unwrap(), 40);
        assert_eq!(write(&mut sealed, &[7; 40], Some(&cipher), 8, 16).unwrap(), 40);
        assert_eq!(plain.len(), 28 + 3 * 4 + 40);
        assert_eq!(plain[28..32], [0, 0, 0, 16]);
        assert_eq!(sealed.len(), 28 + 3 * 4 + 32 + 32 + 16);
        assert_eq!(sealed[28..64], sealed[64..100], "equal chunks look alike");
        let mut empty = Vec::new();
        assert_eq!(write(&mut empty, b"", Some(&cipher), 8, 16).unwrap(), 0);
        assert_eq!(empty.len(), 28, "an empty snapshot sends no chunk");
    }

    #[test]
    fn a_receiver_that_goes_away_is_an_io_error() {
        for room in [0, 28, 50] {
            let refused = write(&mut Full(room), &[7; 40], None, 8, 16).unwrap_err();
            assert_eq!(refused.spec_name(), "Io", "{room}");
        }
    }

    /// A source that says whether it was asked.
    struct Asked(Mutex<bool>);

    impl Source for Asked {
        fn open(&self) -> Result<Box<dyn std::io::Read + Send + '_>, BoxError> {
            *self.0.lock().unwrap() = true;
            Err("nothing today".into())
        }
    }

    #[test]
    fn configuration_keys_and_source_are_asked_in_this_order_before_anybody_is_dialled() {
        let files = Files::new();
        // Nobody listens there, so a sender that dials first fails with Io.
        let good = Config { peer_endpoint: "127.0.0.1:1".into(), ..files.config() };
        let source = Asked(Mutex::new(false));
        let send = |config: Config| {
            let format = Format::Compat(super::super::Keys::of(&config));
            let refused = Sender::new(config, format).send(&source).unwrap_err();
            (refused.spec_name(), *source.0.lock().unwrap())
        };
        let missing = "/nowhere".into();
        assert_eq!(send(Config { buffer_size: 20, key_file: missing, ..good.clone() }), ("Config", false));
        assert_eq!(send(Config { iv_file: "/nowhere".into(), ..good.clone() }), ("Io", false));
        assert_eq!(send(good.clone()), ("Source", true));
        let format = Format::Compat(super::super::Keys::of(&good));
        let refused = Sender::new(good, format).send(&StaticSource::new(*b"x")).unwrap_err();
        assert!(refused.to_string().starts_with("entropy io: dialling the receiver"), "{refused}");
    }

    #[test]
    fn a_sender_without_encryption_needs_no_key_files() {
        let config = Config { encrypt: false, ..Config::new("/nowhere", "/nowhere") };
        let format = Format::of(super::super::Mode::Safe, &config).unwrap();
        assert!(Sender::new(config.clone(), format.clone()).loaded().is_ok());
        let refused = Sender::new(Config { encrypt: true, ..config }, format).loaded().unwrap_err();
        assert_eq!(refused.spec_name(), "Io");
    }
}
