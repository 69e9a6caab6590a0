//! The machine that a result belongs to, and the fingerprint under which results are compared.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{feature, identity};

/// The machine that produced a result.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Host {
    /// The machine's name: hex digits of a hash over the members from `vendor` to `virtualised`, except those
    /// marked otherwise. Version 1 is 16 digits and nothing else; a later version would begin with its number
    /// and a dash.
    pub fingerprint: String,
    /// The CPU's own name for itself. Shown, not part of the fingerprint.
    pub cpu: String,
    /// `GenuineIntel`, `AuthenticAMD`, or the operating system's name for the vendor.
    pub vendor: String,
    /// CPU family, as `cpuid` or the system numbers it.
    pub family: u32,
    /// CPU model.
    pub model: u32,
    /// CPU stepping.
    pub stepping: u32,
    /// CPU features that matter to AES-GCM and that `std` detects, sorted. Features that a later version of
    /// Sealmark adds are not part of the fingerprint.
    pub features: Vec<String>,
    /// `linux`, `macos`, `windows`.
    pub os: String,
    /// `x86_64`, `aarch64`.
    pub arch: String,
    /// Whether this system runs under a hypervisor; `None` if that cannot be determined.
    pub virtualised: Option<bool>,
    /// Cores that this process may use. Not part of the fingerprint.
    pub cores: usize,
    /// Kernel release. Not part of the fingerprint.
    pub kernel: Option<String>,
    /// Microcode revision. Not part of the fingerprint.
    pub microcode: Option<String>,
}

impl Host {
    /// Asks the CPU and the operating system. Anything that neither reports is `unknown`, zero or `None`.
    pub fn detect() -> Self {
        let identity = identity::detect();
        let mut host = Self {
            fingerprint: String::new(),
            cpu: identity.cpu,
            vendor: identity.vendor,
            family: identity.family,
            model: identity.model,
            stepping: identity.stepping,
            features: feature::detected(),
            os: std::env::consts::OS.into(),
            arch: std::env::consts::ARCH.into(),
            virtualised: identity.virtualised,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: identity::kernel(),
            microcode: identity::microcode(),
        };
        host.fingerprint = host.compute_fingerprint();
        host
    }

    /// The first 16 hex digits of SHA-256 over vendor, family, model, stepping, features, system,
    /// architecture and virtualisation, one line each. Clock rate, kernel and microcode stay out because they
    /// change on the same machine. Only features on a fixed list count: detecting one more feature must not
    /// give the machine a new name.
    pub fn compute_fingerprint(&self) -> String {
        let known = |feature: &&str| feature::IN_FINGERPRINT_1.contains(feature);
        let mut features: Vec<&str> = self.features.iter().map(String::as_str).filter(known).collect();
        features.sort_unstable();
        let text = format!(
            "vendor {}\nfamily {}\nmodel {}\nstepping {}\nfeatures {}\nos {}\narch {}\nvirtualised {:?}\n",
            self.vendor,
            self.family,
            self.model,
            self.stepping,
            features.join(" "),
            self.os,
            self.arch,
            self.virtualised,
        );
        hex::encode(&Sha256::digest(text)[..8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_name_a_core_and_a_fingerprint() {
        let host = Host::detect();
        assert!(!host.cpu.is_empty() && !host.vendor.is_empty());
        assert!(host.cores >= 1);
        assert_eq!(host.fingerprint.len(), 16);
        assert!(host.fingerprint.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_eq!(host.fingerprint, Host::detect().fingerprint);
        assert!(host.features.is_sorted());
    }

    #[test]
    fn kernel_microcode_name_and_cores_are_not_part_of_the_fingerprint() {
        let host = Host::detect();
        let mut other = host.clone();
        other.kernel = Some("another".into());
        other.microcode = Some("0xffff".into());
        other.cpu = "another name".into();
        other.cores += 1;
        assert_eq!(other.compute_fingerprint(), host.fingerprint);
    }

    #[test]
    fn every_other_member_is_part_of_the_fingerprint() {
        let host = Host::detect();
        let changes: [fn(&mut Host); 8] = [
            |h| h.vendor.push('x'),
            |h| h.family += 1,
            |h| h.model += 1,
            |h| h.stepping += 1,
            |h| match h.features.iter().position(|feature| feature == "aes") {
                Some(place) => drop(h.features.remove(place)),
                None => h.features.push("aes".into()),
            },
            |h| h.os.push('x'),
            |h| h.arch.push('x'),
            |h| h.virtualised = if h.virtualised == Some(true) { Some(false) } else { Some(true) },
        ];
        for (i, change) in changes.iter().enumerate() {
            let mut other = host.clone();
            change(&mut other);
            assert_ne!(other.compute_fingerprint(), host.fingerprint, "change {i}");
        }
    }

    /// The host of the first committed baseline, whose folder is named after it.
    fn baseline() -> Host {
        let features = "adx aes avx avx2 avx512bw avx512cd avx512dq avx512f avx512ifma avx512vbmi \
            avx512vbmi2 avx512vl bmi1 bmi2 gfni movbe pclmulqdq rdrand sha sse2 \
            sse3 sse4.1 sse4.2 ssse3 vaes vpclmulqdq";
        Host {
            fingerprint: "7ce75b4a060cbea1".into(),
            cpu: "Intel(R) Xeon(R) Processor".into(),
            vendor: "GenuineIntel".into(),
            family: 6,
            model: 207,
            stepping: 2,
            features: features.split_whitespace().map(str::to_owned).collect(),
            os: "linux".into(),
            arch: "x86_64".into(),
            virtualised: Some(true),
            cores: 2,
            kernel: None,
            microcode: None,
        }
    }

    #[test]
    fn the_fingerprint_of_a_host_never_changes() {
        assert_eq!(baseline().compute_fingerprint(), "7ce75b4a060cbea1");
        let mut arm = baseline();
        (arm.vendor, arm.family, arm.model, arm.stepping) = ("Arm".into(), 8, 0xd0c, 0x31);
        arm.features = ["neon", "aes", "pmull", "sha2"].map(str::to_owned).to_vec();
        (arm.arch, arm.virtualised) = ("aarch64".into(), None);
        assert_eq!(arm.compute_fingerprint(), "a211af094ce0a905");
    }

    #[test]
    fn detecting_one_more_feature_does_not_rename_the_host() {
        let mut host = baseline();
        for feature in ["avx10.2", "sm4", "zz"] {
            host.features.push(feature.into());
            host.features.sort();
            assert_eq!(host.compute_fingerprint(), "7ce75b4a060cbea1", "with {feature}");
        }
    }

    #[test]
    fn the_order_of_features_does_not_matter() {
        let mut host = Host::detect();
        host.features.reverse();
        assert_eq!(host.compute_fingerprint(), host.fingerprint);
    }
}
