//! The CPU's name and numbers: `cpuid` on x86_64, `/proc/cpuinfo` on other Linux systems, `sysctl` on an Arm
//! Mac.
//!
//! `cpuid` is read through the crate `raw-cpuid`: the intrinsic in `core` is safe only in compilers newer
//! than the oldest one we support, and this floor has no `unsafe`.

/// The CPU's identity, apart from its features.
pub(super) struct Identity {
    pub cpu: String,
    pub vendor: String,
    pub family: u32,
    pub model: u32,
    pub stepping: u32,
    pub virtualised: Option<bool>,
}

const UNKNOWN: &str = "unknown";

#[cfg(target_arch = "x86_64")]
pub(super) fn detect() -> Identity {
    let cpuid = raw_cpuid::CpuId::new();
    let vendor = cpuid.get_vendor_info().map_or_else(|| UNKNOWN.to_owned(), |v| v.as_str().to_owned());
    let cpu = cpuid
        .get_processor_brand_string()
        .map(|brand| brand.as_str().split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| UNKNOWN.to_owned());
    let numbers = cpuid.get_feature_info();
    Identity {
        cpu,
        vendor,
        family: numbers.as_ref().map_or(0, |n| n.family_id().into()),
        model: numbers.as_ref().map_or(0, |n| n.model_id().into()),
        stepping: numbers.as_ref().map_or(0, |n| n.stepping_id().into()),
        virtualised: numbers.map(|n| n.has_hypervisor()),
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn detect() -> Identity {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut identity = from_cpuinfo(&info);
    if cfg!(target_vendor = "apple") {
        identity.vendor = "Apple".to_owned();
        identity.cpu = mac_name().unwrap_or(identity.cpu);
    }
    identity
}

/// Reads the Arm fields of `/proc/cpuinfo`: implementer, architecture, part, variant and revision.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn from_cpuinfo(info: &str) -> Identity {
    let number = |name| field(info, name).and_then(|text| parse_number(&text)).unwrap_or(0);
    let implementer = number("CPU implementer");
    let part = number("CPU part");
    let vendor = match implementer {
        0x41 => "Arm",
        0x46 => "Fujitsu",
        0x48 => "HiSilicon",
        0x51 => "Qualcomm",
        0x61 => "Apple",
        0x6d => "Microsoft",
        0xc0 => "Ampere",
        _ => UNKNOWN,
    };
    let name = match (implementer, part) {
        (0, 0) => UNKNOWN.to_owned(),
        (0x41, 0xd08) => "Cortex-A72".to_owned(),
        (0x41, 0xd0b) => "Cortex-A76".to_owned(),
        (0x41, 0xd0c) => "Neoverse N1".to_owned(),
        (0x41, 0xd40) => "Neoverse V1".to_owned(),
        (0x41, 0xd49) => "Neoverse N2".to_owned(),
        (0x41, 0xd4f) => "Neoverse V2".to_owned(),
        _ => format!("implementer 0x{implementer:02x} part 0x{part:03x}"),
    };
    Identity {
        cpu: field(info, "model name").unwrap_or(name),
        vendor: vendor.to_owned(),
        family: number("CPU architecture"),
        model: part,
        stepping: (number("CPU variant") << 4) | number("CPU revision"),
        virtualised: None,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn mac_name() -> Option<String> {
    let sysctl =
        std::process::Command::new("/usr/sbin/sysctl").args(["-n", "machdep.cpu.brand_string"]).output();
    let name = String::from_utf8(sysctl.ok()?.stdout).ok()?.trim().to_owned();
    (!name.is_empty()).then_some(name)
}

/// The first value with that name in `/proc/cpuinfo`.
fn field(info: &str, name: &str) -> Option<String> {
    info.lines().filter_map(|line| line.split_once(':')).find_map(|(key, value)| {
        let value = value.trim();
        (key.trim() == name && !value.is_empty()).then(|| value.to_owned())
    })
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn parse_number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The kernel's release, if the system has `/proc`.
pub(super) fn kernel() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The microcode revision, if `/proc/cpuinfo` lists it.
pub(super) fn microcode() -> Option<String> {
    field(&std::fs::read_to_string("/proc/cpuinfo").ok()?, "microcode")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAVITON: &str = "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd aes pmull\n\
        CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: 0xd0c\n\
        CPU revision\t: 1\n";

    #[test]
    fn an_arm_cpuinfo_gives_name_and_numbers() {
        let identity = from_cpuinfo(GRAVITON);
        assert_eq!(identity.cpu, "Neoverse N1");
        assert_eq!(identity.vendor, "Arm");
        assert_eq!((identity.family, identity.model, identity.stepping), (8, 0xd0c, 0x31));
        assert_eq!(identity.virtualised, None);
    }

    #[test]
    fn an_empty_cpuinfo_is_unknown() {
        let identity = from_cpuinfo("");
        assert_eq!(identity.cpu, UNKNOWN);
        assert_eq!(identity.vendor, UNKNOWN);
        assert_eq!((identity.family, identity.model, identity.stepping), (0, 0, 0));
    }

    #[test]
    fn a_part_without_a_name_keeps_its_numbers() {
        let identity = from_cpuinfo("CPU implementer\t: 0x99\nCPU part\t: 0x123\n");
        assert_eq!(identity.cpu, "implementer 0x99 part 0x123");
    }

    #[test]
    fn the_first_field_of_the_name_counts() {
        assert_eq!(field("a : 1\nb : 2\nb : 3\n", "b").as_deref(), Some("2"));
        assert_eq!(field("a : 1\nb :\n", "b"), None);
    }
}
