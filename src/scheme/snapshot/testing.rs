//! What the tests of this scheme share.

use std::io::{self, Read, Write};

use super::{Config, Material};

/// A key and an initialisation vector.
pub fn material() -> Material {
    Material::parse(b"0123456789abcdef", b"fedcba9876543210").expect("both have 16 bytes")
}

/// Key files in a folder of their own.
pub struct Files(tempfile::TempDir);

impl Files {
    /// Writes [`material`] to files.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("there is room for a folder");
        for (name, text) in [("key.pem", "0123456789abcdef\n"), ("iv.pem", "fedcba9876543210\n")] {
            std::fs::write(dir.path().join(name), text).expect("a new file can be written");
        }
        Self(dir)
    }

    /// A configuration with these files and small chunks, on ports that the system chooses.
    pub fn config(&self) -> Config {
        let config = Config::new(self.0.path().join("key.pem"), self.0.path().join("iv.pem"));
        let listen_addr = "127.0.0.1:0".parse().expect("it is an address");
        Config { listen_addr, buffer_size: 64, header_size: 16, ..config }
    }

    /// Removes the files.
    pub fn remove(self) {
        self.0.close().expect("a folder can be removed");
    }
}

/// Gives its bytes one at a time and then the end, or an error.
pub struct Trickle<'a>(pub &'a [u8], pub Option<io::ErrorKind>);

impl Read for Trickle<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let (Some((first, rest)), Some(place)) = (self.0.split_first(), out.first_mut()) else {
            return self.1.map_or(Ok(0), |kind| Err(kind.into()));
        };
        *place = *first;
        self.0 = rest;
        Ok(1)
    }
}

/// Takes a number of bytes and then fails.
pub struct Full(pub usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.0 {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
