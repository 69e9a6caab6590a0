//! Certificates for the tests of TLS, signed by Ed25519 keys of graviola: an authority, a server of this
//! machine, and a client.

use std::path::{Path, PathBuf};

use graviola::signing::eddsa::Ed25519SigningKey;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod,
    PKCS_ED25519, PublicKeyData, SerialNumber, SignatureAlgorithm, SigningKey,
};

/// A folder with the files of one authority.
#[derive(Debug)]
pub struct Certificates {
    /// Where the files are.
    pub folder: tempfile::TempDir,
}

/// A key that signs certificates.
struct Key(Ed25519SigningKey, [u8; 32]);

impl Key {
    fn new() -> Self {
        let key = Ed25519SigningKey::generate().expect("the system has random bytes");
        let public = key.public_key().as_bytes();
        Self(key, public)
    }

    fn pem(&self) -> String {
        let mut room = [0; 256];
        let der = self.0.to_pkcs8_der(&mut room).expect("there is room");
        pem("PRIVATE KEY", der)
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.1
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.0.sign(message).to_vec())
    }
}

/// Bytes in PEM.
fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

fn params(names: &[&str], serial: u64) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("they are names");
    params.serial_number = Some(SerialNumber::from(serial));
    params.key_identifier_method = KeyIdMethod::PreSpecified(serial.to_be_bytes().to_vec());
    params
}

impl Certificates {
    /// Makes an authority (`ca.pem`), a server for `localhost` and 127.0.0.1 (`server.pem`, `server.key`),
    /// and a client (`client.pem`, `client.key`).
    pub fn new() -> Self {
        let made = Self { folder: tempfile::tempdir().expect("there is room for a folder") };
        let authority = Key::new();
        let mut ca = params(&[], 1);
        // Or another test's authority would be taken for this one with a wrong signature.
        ca.distinguished_name.push(DnType::CommonName, hex::encode(authority.1));
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = ca.self_signed(&authority).expect("it can be signed");
        made.write("ca.pem", &pem("CERTIFICATE", certificate.der()));
        let issuer = Issuer::new(ca, authority);
        for (name, names, purpose, serial) in [
            ("server", &["localhost", "127.0.0.1"][..], ExtendedKeyUsagePurpose::ServerAuth, 2),
            ("client", &["client.test"], ExtendedKeyUsagePurpose::ClientAuth, 3),
        ] {
            let key = Key::new();
            let mut params = params(names, serial);
            params.extended_key_usages = vec![purpose];
            let certificate = params.signed_by(&key, &issuer).expect("it can be signed");
            made.write(&format!("{name}.pem"), &pem("CERTIFICATE", certificate.der()));
            made.write(&format!("{name}.key"), &key.pem());
        }
        made
    }

    /// The file of that name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes another file.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(Path::new(name)), text).expect("a new file can be written");
    }
}
