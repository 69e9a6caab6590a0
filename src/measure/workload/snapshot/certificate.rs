//! A certificate for `localhost` that vouches for itself, and its private key, which everybody knows: for the
//! workload [`carry`](super::carry) and for nothing else.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::fixture::refused;
use crate::measure::Error;
use crate::primitive::tls::{Files, available};
use crate::scheme::snapshot::{Secure, Transport};

/// Valid until 2120.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIBDjCBwaADAgECAgEBMAUGAytlcDAcMRowGAYDVQQDDBFzZWFsbWFyayB3b3Jr
bG9hZDAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowHDEaMBgGA1UE
AwwRc2VhbG1hcmsgd29ya2xvYWQwKjAFBgMrZXADIQCmGGK4aINwEKOj5sA3wJSy
yBxMBSQMmrBznO/99fKrFqMmMCQwFAYDVR0RBA0wC4IJbG9jYWxob3N0MAwGA1Ud
EwEB/wQCMAAwBQYDK2VwA0EAb22lV6nZwqXQezkwbq6jkV2beA70MsWy2V8+3Hks
vxluodsVNI9K303PkM21VrWrzHclpnFG4IPLpCYlmMpVCg==
-----END CERTIFICATE-----
";
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ/sM7PZRCVhouhl3nk7Zlmcq3AOcyLkrBtYO7seKqFK
-----END PRIVATE KEY-----
";

/// A file that is removed when dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn with(text: &str) -> Result<Self, Error> {
        /// Files so far, so that each has its own name.
        static FILES: AtomicU64 = AtomicU64::new(0);
        let (process, number) = (std::process::id(), FILES.fetch_add(1, Ordering::Relaxed));
        let file = Self(std::env::temp_dir().join(format!("sealmark-carry-{process}-{number}.pem")));
        std::fs::write(&file.0, text).map_err(refused)?;
        Ok(file)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // A file that stays behind is a matter for whoever cleans the folder.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The sender's and the receiver's end of TLS.
///
/// # Errors
/// [`Error::Scheme`] if this CPU lacks what the provider needs, or if the folder of temporary files is not
/// writable.
pub(super) fn ends() -> Result<[Arc<dyn Transport>; 2], Error> {
    available().map_err(refused)?;
    let (cert, key) = (Temporary::with(CERTIFICATE)?, Temporary::with(KEY)?);
    let cert = Some(cert.0.clone());
    let sender = Files { ca: cert.clone(), ..Files::default() };
    let receiver = Files { cert, key: Some(key.0.clone()), ca: None };
    Ok([Secure::sender(&sender).map_err(refused)?, Secure::receiver(&receiver).map_err(refused)?])
}
