//! The TLS profile `secure` as a transport (feature `tls`).

use std::io;
use std::sync::Arc;

use super::transport::{Stream, Timed, Transport};
use crate::primitive::tls::{Client, Connection, Error, Files, Profile, Server};

/// TLS 1.3 at one end of a connection.
#[derive(Debug)]
pub enum Secure {
    /// The sender's end.
    Sender(Client),
    /// The receiver's end.
    Receiver(Server),
}

impl Secure {
    /// The sender's end: it verifies the receiver against the authorities in these files, and shows its own
    /// certificate if there is one.
    ///
    /// # Errors
    /// As [`Client::load`].
    pub fn sender(files: &Files) -> Result<Arc<dyn Transport>, Error> {
        Ok(Arc::new(Self::Sender(Client::load(files)?)))
    }

    /// The receiver's end: if the files name authorities, it verifies the sender too.
    ///
    /// # Errors
    /// As [`Server::load`].
    pub fn receiver(files: &Files) -> Result<Arc<dyn Transport>, Error> {
        Ok(Arc::new(Self::Receiver(Server::load(files)?)))
    }
}

/// A transport has the files of one end only.
fn other_end() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this transport has the certificates of the other end")
}

impl Transport for Secure {
    fn name(&self) -> &'static str {
        Profile::Secure.name()
    }

    fn accept(&self, tcp: Timed) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Receiver(server) => Ok(Box::new(server.accept(tcp)?)),
            Self::Sender(_) => Err(other_end()),
        }
    }

    fn connect(&self, tcp: Timed, host: &str) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Sender(client) => Ok(Box::new(client.connect(tcp, host)?)),
            Self::Receiver(_) => Err(other_end()),
        }
    }
}

impl Stream for Connection<Timed> {
    /// Waits until the receiver closes: only then is it known whether it took the sender's certificate.
    fn finish(&mut self) -> io::Result<()> {
        Self::finish(self)?;
        self.get_mut().finish()?;
        self.await_end()
    }

    fn close(&mut self) {
        // The other end may have closed already.
        let _ = Self::finish(self);
        self.get_mut().close();
    }
}

#[cfg(test)]
mod tests;
