//! Both ends of a TLS connection over anything that reads and writes.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned, version};

use super::{Error, Files};

/// Whether the provider runs on this CPU.
///
/// # Errors
/// [`Error::Cpu`] with the features that the CPU lacks.
pub fn available() -> Result<(), Error> {
    #[cfg(target_arch = "x86_64")]
    macro_rules! missing {
        ($($feature:tt)+) => {
            [$(($feature, std::arch::is_x86_feature_detected!($feature))),+]
        };
    }
    #[cfg(target_arch = "x86_64")]
    let needs = missing!("aes" "pclmulqdq" "bmi1" "adx" "avx" "avx2");
    #[cfg(target_arch = "aarch64")]
    let needs = [
        ("neon", std::arch::is_aarch64_feature_detected!("neon")),
        ("aes", std::arch::is_aarch64_feature_detected!("aes")),
        ("pmull", std::arch::is_aarch64_feature_detected!("pmull")),
        ("sha2", std::arch::is_aarch64_feature_detected!("sha2")),
    ];
    let missing: Vec<_> = needs.iter().filter(|(_, has)| !has).map(|(name, _)| *name).collect();
    if missing.is_empty() { Ok(()) } else { Err(Error::Cpu(missing.join(", "))) }
}

/// The provider, with the cipher suites of TLS 1.3 only.
fn provider() -> Result<Arc<CryptoProvider>, Error> {
    available()?;
    let mut provider = rustls_graviola::default_provider();
    provider.cipher_suites.retain(|suite| suite.tls13().is_some());
    Ok(Arc::new(provider))
}

/// A file's bytes.
fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|reason| Error::Read { what, path: path.to_owned(), reason })
}

/// The certificates in a file: at least one.
fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = read(what, path)?;
    let refused = |why: String| Error::Pem { what, path: path.to_owned(), why };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(refused(String::new())),
        Ok(found) => Ok(found),
        Err(error) => Err(refused(format!(" ({error})"))),
    }
}

/// The private key in a file.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let what = "private key";
    let text = zeroize::Zeroizing::new(read(what, path)?);
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let why = match error {
            rustls::pki_types::pem::Error::NoItemsFound => String::new(),
            other => format!(" ({other})"),
        };
        Error::Pem { what, path: path.to_owned(), why }
    })
}

/// The authorities in a file.
fn authorities(path: &Path) -> Result<Arc<rustls::RootCertStore>, Error> {
    let what = "certificate of an authority";
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates(what, path)? {
        roots.add(certificate).map_err(refused("a certificate of an authority"))?;
    }
    Ok(Arc::new(roots))
}

fn refused<E: fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Error {
    move |reason| Error::Refused { what, reason: reason.to_string() }
}

/// A file that an end cannot do without.
fn needed<'a>(file: &'a Option<PathBuf>, what: &'static str) -> Result<&'a Path, Error> {
    file.as_deref().ok_or(Error::Missing(what))
}

/// The server's end, ready to accept connections.
#[derive(Clone)]
pub struct Server(Arc<ServerConfig>);

impl Server {
    /// A server with these files: its certificate and key, and authorities if clients must show a
    /// certificate.
    ///
    /// # Errors
    /// [`Error::Cpu`], [`Error::Missing`], [`Error::Read`], [`Error::Pem`], [`Error::Refused`].
    pub fn load(files: &Files) -> Result<Self, Error> {
        let provider = provider()?;
        let cert = certificates("certificate", needed(&files.cert, "a server's certificate")?)?;
        let key = private_key(needed(&files.key, "the certificate's private key")?)?;
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(refused("TLS 1.3"))?;
        let config = match &files.ca {
            None => config.with_no_client_auth(),
            Some(ca) => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(authorities(ca)?, provider).build();
                config.with_client_cert_verifier(verifier.map_err(refused("the authorities of clients"))?)
            }
        };
        let mut config =
            config.with_single_cert(cert, key).map_err(refused("the server's certificate and key"))?;
        // Without tickets the server writes nothing after the handshake, so a client that only writes never
        // closes on unread bytes, which would reset the connection and lose what it wrote last.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self(Arc::new(config)))
    }

    /// Shakes hands with a client.
    ///
    /// # Errors
    /// The connection's; [`io::ErrorKind::InvalidData`] if the client breaks the protocol or shows no
    /// certificate that this server accepts; [`io::ErrorKind::UnexpectedEof`] if it leaves.
    pub fn accept<T: Read + Write>(&self, io: T) -> io::Result<Connection<T>> {
        let tls = ServerConnection::new(Arc::clone(&self.0)).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(tls, io);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Connection(End::Server(stream)))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server(..)")
    }
}

/// The client's end, ready to connect.
#[derive(Clone)]
pub struct Client(Arc<ClientConfig>);

impl Client {
    /// A client with these files: the authorities that it trusts, and its own certificate and key if the
    /// server asks for them.
    ///
    /// # Errors
    /// As [`Server::load`].
    pub fn load(files: &Files) -> Result<Self, Error> {
        let provider = provider()?;
        let roots = authorities(needed(&files.ca, "the authorities that vouch for the server")?)?;
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])
            .map_err(refused("TLS 1.3"))?
            .with_webpki_verifier(verifier.map_err(refused("the authorities of servers"))?);
        let mut config = match (&files.cert, &files.key) {
            (None, None) => config.with_no_client_auth(),
            (cert, key) => {
                let cert =
                    certificates("certificate", needed(cert, "the client's certificate, besides its key")?)?;
                let key = private_key(needed(key, "the private key of the client's certificate")?)?;
                config
                    .with_client_auth_cert(cert, key)
                    .map_err(refused("the client's certificate and key"))?
            }
        };
        config.resumption = Resumption::disabled();
        Ok(Self(Arc::new(config)))
    }

    /// Shakes hands with a server of that name: a DNS name or an IP address, which its certificate must have.
    ///
    /// A server judges the client's certificate after the client's handshake is over: see
    /// [`Connection::await_end`].
    ///
    /// # Errors
    /// The connection's; [`io::ErrorKind::InvalidInput`] if it is no name; [`io::ErrorKind::InvalidData`] if
    /// the server's certificate is refused; [`io::ErrorKind::UnexpectedEof`] if the server leaves.
    pub fn connect<T: Read + Write>(&self, io: T, host: &str) -> io::Result<Connection<T>> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, format!("{host:?}: {error}")))?;
        let tls = ClientConnection::new(Arc::clone(&self.0), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(tls, io);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Connection(End::Client(stream)))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(..)")
    }
}

/// A connection after its handshake. An end of the stream without the peer's `close_notify` fails with
/// [`io::ErrorKind::UnexpectedEof`]: somebody cut it.
pub struct Connection<T: Read + Write>(End<T>);

enum End<T: Read + Write> {
    Server(StreamOwned<ServerConnection, T>),
    Client(StreamOwned<ClientConnection, T>),
}

/// The same for either end.
macro_rules! at_either_end {
    ($connection:expr, $stream:ident => $do:expr) => {
        match &mut $connection.0 {
            End::Server($stream) => $do,
            End::Client($stream) => $do,
        }
    };
}

impl<T: Read + Write> Connection<T> {
    /// What carries it.
    pub fn get_mut(&mut self) -> &mut T {
        at_either_end!(self, stream => &mut stream.sock)
    }

    /// Tells the peer that nothing more will be written. Reading goes on.
    ///
    /// # Errors
    /// The connection's.
    pub fn finish(&mut self) -> io::Result<()> {
        at_either_end!(self, stream => {
            stream.conn.send_close_notify();
            while stream.conn.wants_write() {
                stream.conn.write_tls(&mut stream.sock)?;
            }
            stream.sock.flush()
        })
    }

    /// Reads until the peer ends its side, in whatever way, and discards what it says. For a client that only
    /// writes: a server that refuses the client's certificate can say so only after the handshake.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if the peer sent an alert or broke the protocol; no other.
    pub fn await_end(&mut self) -> io::Result<()> {
        let mut discarded = [0; 1024];
        loop {
            match self.read(&mut discarded) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(error),
                // The peer may have closed without a word; it owes none.
                Err(_) => return Ok(()),
            }
        }
    }

    /// The alert that the peer sent before it reset the connection, or else the error of the write.
    fn explained(&mut self, error: io::Error) -> io::Error {
        if !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) {
            return error;
        }
        at_either_end!(self, stream => {
            let read = stream.conn.read_tls(&mut stream.sock);
            match (read, stream.conn.process_new_packets()) {
                (Ok(_), Err(alert)) => io::Error::new(io::ErrorKind::InvalidData, alert),
                _ => error,
            }
        })
    }
}

impl<T: Read + Write> Read for Connection<T> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        at_either_end!(self, stream => stream.read(out))
    }
}

impl<T: Read + Write> Write for Connection<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = at_either_end!(self, stream => stream.write(bytes));
        written.map_err(|error| self.explained(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = at_either_end!(self, stream => stream.flush());
        flushed.map_err(|error| self.explained(error))
    }
}

impl<T: Read + Write> fmt::Debug for Connection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection(..)")
    }
}

#[cfg(test)]
mod tests;
