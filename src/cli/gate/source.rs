//! Builds the two sides of a comparison from git: the base in a work tree of its own, the head as it lies
//! here, both with the same flags, into one target folder, and linked in several orders.
//!
//! The place of the code alone moves times: identical sources linked in another order differ by 0.5 to 2 % at
//! short lengths. Most of that is where functions begin within a cache line, so both sides are built with
//! functions that begin on one. What remains is mostly below 0.3 %, and for some workloads up to 8 %; so each
//! side is linked in several random orders, and pairs are drawn over them. Only LLD can do that. It is Rust's
//! own linker on Linux on x86-64; elsewhere the C compiler is asked for it. Where neither works, each side
//! has one order, and the output says so.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

use anyhow::{Context, bail};
use serde_json::Value;

use super::Sides;
use crate::cli::STOP;
use crate::measure::gate::{Commits, orders};

/// Starts every function on a cache line: where a function lies then matters less by a factor of five.
const ALIGNED: &str = "-Cllvm-args=-align-all-functions=6";

/// Flags with which rustc may use LLD: none, where it is the usual linker.
const WITH_LLD: [&[&str]; 2] = [&[], &["-C", "link-arg=-fuse-ld=lld"]];

/// What to build, and how.
pub(super) struct Source {
    /// The package's folder.
    pub package: PathBuf,
    /// The program's name in it.
    pub program: String,
    /// Further arguments of `cargo rustc`.
    pub cargo: Vec<String>,
    /// Where to build.
    pub target: PathBuf,
}

/// How a program is linked.
#[derive(Clone, Copy)]
enum Link {
    /// In the usual order.
    Usual,
    /// In the order of this seed, with these flags for LLD.
    Shuffled(u32, &'static [&'static str]),
}

/// Why a program was not built.
enum Failed {
    /// The linker did not do it.
    Linker(String),
    Other(anyhow::Error),
}

impl Source {
    /// The package in whose folder the command runs. The program is `bin`, or the only one of the package, or
    /// the one that this program is called.
    pub fn of_package(bin: Option<&str>, flags: Option<&str>) -> anyhow::Result<Self> {
        let manifest = cargo(&["locate-project", "--message-format", "plain"])?;
        let manifest = Path::new(manifest.trim());
        let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"])?;
        let metadata: Value =
            serde_json::from_str(&metadata).context("reading the output of cargo metadata")?;
        let own = std::env::current_exe()?.file_stem().map(|name| name.to_string_lossy().into_owned());
        let program = program(&metadata, manifest, bin, own.as_deref())?;
        let target =
            metadata["target_directory"].as_str().context("cargo metadata names no target folder")?;
        Ok(Self {
            package: manifest.parent().unwrap_or(Path::new(".")).to_owned(),
            program,
            cargo: flags.unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
            target: PathBuf::from(target),
        })
    }

    /// Builds the base at a revision, or at the merge base where that is empty, and the head from the files
    /// that lie in the package's folder.
    pub fn build(&self, revision: &str, tell: &dyn Fn(&str)) -> anyhow::Result<Sides> {
        let revision = match revision {
            "" => self.merge_base()?,
            named => self.commit(named)?,
        };
        let head = self.commit("HEAD")?;
        let dirty = !self.git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
        let head = if dirty { head + "-dirty" } else { head };
        let root = PathBuf::from(self.git(&["rev-parse", "--show-toplevel"])?).canonicalize()?;
        let within = self.package.canonicalize()?;
        let within = within.strip_prefix(&root).unwrap_or(Path::new("")).to_owned();
        let tree = self.target.join("gate").join("base");
        self.remove(&tree);
        self.git(&["worktree", "add", "--detach", "--force", &tree.display().to_string(), &revision])
            .with_context(|| format!("checking out the base, {revision}"))?;
        self.share_lock_file(&root, &tree);
        let built = self.build_both(&tree.join(within), &revision, tell);
        self.remove(&tree);
        let commits = Some(Commits { base: revision, head });
        built.map(|sides| Sides { commits, ..sides })
    }

    fn build_both(&self, base: &Path, revision: &str, tell: &dyn Fn(&str)) -> anyhow::Result<Sides> {
        tell("building the head");
        let (links, one_order) = self.links().context("building the head")?;
        let side = |name, folder| {
            let link = |link: &Link| self.link(name, folder, *link).map_err(Failed::into_error);
            links.iter().map(link).collect::<anyhow::Result<Vec<_>>>()
        };
        let head = side("head", &self.package).context("building the head")?;
        tell(&format!("building the base, {}", revision.get(..12).unwrap_or(revision)));
        let base = side("base", base).with_context(|| format!("building the base, {revision}"))?;
        Ok(Sides { base, head, commits: None, one_order })
    }

    /// How the programs can be linked here: in several orders, or why not.
    fn links(&self) -> anyhow::Result<(Vec<Link>, Option<String>)> {
        let mut refused = String::new();
        for lld in WITH_LLD {
            match self.link("head", &self.package, Link::Shuffled(1, lld)) {
                Ok(_) => {
                    let seeds = 1..=orders::A_SIDE as u32;
                    return Ok((seeds.map(|seed| Link::Shuffled(seed, lld)).collect(), None));
                }
                Err(Failed::Linker(why)) => refused = why,
                Err(Failed::Other(error)) => return Err(error),
            }
        }
        Ok((vec![Link::Usual], Some(format!("the linker does not shuffle sections: {refused}"))))
    }

    /// Links the files that lie in the package's folder in these orders.
    pub fn orders(&self, seeds: impl IntoIterator<Item = u32>) -> anyhow::Result<Vec<PathBuf>> {
        let (links, one_order) = self.links()?;
        let lld = match (links.first(), one_order) {
            (Some(Link::Shuffled(_, lld)), _) => *lld,
            (_, why) => bail!(why.unwrap_or_default()),
        };
        let link = |seed| self.link("order", &self.package, Link::Shuffled(seed, lld));
        seeds.into_iter().map(|seed| link(seed).map_err(Failed::into_error)).collect()
    }

    /// Builds and links one program, and puts it aside under a name of its own.
    fn link(&self, side: &str, folder: &Path, link: Link) -> Result<PathBuf, Failed> {
        if STOP.load(Ordering::SeqCst) {
            return Err(Failed::Other(anyhow::anyhow!("stopped")));
        }
        let mut cargo = Command::new(program_of_cargo());
        cargo.args(["rustc", "--release", "--bin", &self.program, "--manifest-path"]);
        cargo.arg(folder.join("Cargo.toml")).arg("--target-dir").arg(&self.target).args(&self.cargo);
        align(&mut cargo);
        let mut name = side.to_owned();
        if let Link::Shuffled(seed, lld) = link {
            // Nobody looks at the lines of these builds, and there are many.
            cargo.args(["--", "-C", "strip=debuginfo"]).args(lld);
            cargo.args(["-C", &format!("link-arg=-Wl,--shuffle-sections=.text*={seed}")]);
            name += &format!("-{seed}");
        }
        let output = cargo.stdin(Stdio::null()).output().context("starting cargo").map_err(Failed::Other)?;
        if !output.status.success() {
            return Err(Failed::of(&String::from_utf8_lossy(&output.stderr)));
        }
        self.put_aside(&(name + std::env::consts::EXE_SUFFIX)).map_err(Failed::Other)
    }

    fn put_aside(&self, name: &str) -> anyhow::Result<PathBuf> {
        let kept = self.target.join("gate").join(name);
        let suffix = std::env::consts::EXE_SUFFIX;
        let made = self.target.join("release").join(format!("{}{suffix}", self.program));
        std::fs::create_dir_all(self.target.join("gate"))?;
        std::fs::copy(&made, &kept).with_context(|| format!("copying {}", made.display()))?;
        Ok(kept)
    }

    /// A base without a lock file of its own is built with the head's: the same versions of everything else.
    fn share_lock_file(&self, root: &Path, tree: &Path) {
        let (own, base) = (root.join("Cargo.lock"), tree.join("Cargo.lock"));
        if own.is_file() && !base.exists() {
            // Without it, cargo chooses the versions, as it did for the head.
            let _ = std::fs::copy(own, base);
        }
    }

    fn commit(&self, revision: &str) -> anyhow::Result<String> {
        self.git(&["rev-parse", "--verify", "--end-of-options", &format!("{revision}^{{commit}}")])
    }

    fn git(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new("git").arg("-C").arg(&self.package).args(arguments).output();
        let output = output.context("starting git")?;
        if !output.status.success() {
            bail!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Removes a work tree, or the rest of one.
    fn remove(&self, tree: &Path) {
        // Both fail where there is nothing. If something remains, the next checkout fails and names it.
        let _ = self.git(&["worktree", "remove", "--force", &tree.display().to_string()]);
        let _ = std::fs::remove_dir_all(tree);
    }

    /// The merge base of HEAD with the target of the pull request, where CI names one, or else with the
    /// default branch.
    fn merge_base(&self) -> anyhow::Result<String> {
        let target = std::env::var("GITHUB_BASE_REF").ok().filter(|name| !name.is_empty());
        let target = target.or_else(|| {
            std::env::var("CI_MERGE_REQUEST_TARGET_BRANCH_NAME").ok().filter(|name| !name.is_empty())
        });
        let target = match target {
            Some(branch) => format!("origin/{branch}"),
            None => self
                .git(&["rev-parse", "--abbrev-ref", "origin/HEAD"])
                .context("no default branch is known: name the base with --base-rev REV")?,
        };
        self.git(&["merge-base", "HEAD", &target]).with_context(|| {
            format!("HEAD and {target} have no known common commit; a shallow clone must be deepened")
        })
    }
}

impl Failed {
    fn of(said: &str) -> Self {
        let last: Vec<&str> = said.lines().rev().take(20).collect();
        let last = last.into_iter().rev().collect::<Vec<_>>().join("\n");
        match said.lines().find(|line| line.contains("unknown option") || line.contains("unrecognized")) {
            // The linker's own reason: the line of rustc holds the whole command.
            Some(why) if said.contains("linking with") => Self::Linker(why.trim().to_owned()),
            None if said.contains("linking with") => Self::Linker(last),
            _ => Self::Other(anyhow::anyhow!("cargo failed:\n{last}")),
        }
    }

    fn into_error(self) -> anyhow::Error {
        match self {
            Self::Linker(why) => anyhow::anyhow!("the linker failed: {why}"),
            Self::Other(error) => error,
        }
    }
}

/// Adds [`ALIGNED`] to the flags of the compiler, wherever the caller has put his.
fn align(cargo: &mut Command) {
    for (name, separator) in [("CARGO_ENCODED_RUSTFLAGS", "\u{1f}"), ("RUSTFLAGS", " ")] {
        if let Ok(flags) = std::env::var(name) {
            if !flags.contains(ALIGNED) {
                cargo.env(name, flags + separator + ALIGNED);
            }
            return;
        }
    }
    // Flags of a configuration file remain.
    cargo.arg("--config").arg(format!("build.rustflags=[\"{ALIGNED}\"]"));
}

fn program_of_cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The output of cargo.
fn cargo(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program_of_cargo()).args(arguments).stdin(Stdio::null()).output();
    let output = output.context("starting cargo")?;
    if !output.status.success() {
        bail!("cargo {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The program of a package to build.
fn program(
    metadata: &Value,
    manifest: &Path,
    bin: Option<&str>,
    own: Option<&str>,
) -> anyhow::Result<String> {
    let none = Vec::new();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages = metadata["packages"].as_array().unwrap_or(&none);
    let is = |package: &&Value| package["manifest_path"].as_str().map(Path::new) == Some(manifest);
    let Some(package) = packages.iter().find(is) else {
        bail!("{} is no package: run this in the folder of one", manifest.display())
    };
    let is_bin = |target: &Value| list(&target["kind"]).iter().any(|kind| kind == "bin");
    let targets = list(&package["targets"]);
    let bins: Vec<&str> =
        targets.iter().filter(|target| is_bin(target)).filter_map(|target| target["name"].as_str()).collect();
    let known = bins.join(", ");
    let called = |name: &str| bins.contains(&name).then(|| name.to_owned());
    match (bin, bins.as_slice()) {
        (_, []) => bail!("{} has no program to build", manifest.display()),
        (Some(bin), _) => {
            called(bin).with_context(|| format!("no program is called {bin:?}; there are: {known}"))
        }
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) => own
            .and_then(called)
            .with_context(|| format!("the package has several programs: choose one with --bin: {known}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_program_is_the_named_one_or_the_only_one_or_the_one_of_this_name() {
        let of = |bins: &[&str], bin: Option<&str>| {
            let target = |name: &&str| json!({"name": name, "kind": ["bin"]});
            let mut targets: Vec<Value> = bins.iter().map(target).collect();
            targets.push(json!({"name": "mine", "kind": ["lib"]}));
            let metadata = json!({"packages": [{"manifest_path": "/p/Cargo.toml", "targets": targets}]});
            program(&metadata, Path::new("/p/Cargo.toml"), bin, Some("own")).map_err(|e| e.to_string())
        };
        assert_eq!(of(&["a"], None).as_deref(), Ok("a"));
        assert_eq!(of(&["a", "own"], None).as_deref(), Ok("own"));
        assert_eq!(of(&["a", "own"], Some("a")).as_deref(), Ok("a"));
        let several = "the package has several programs: choose one with --bin: a, b";
        assert_eq!(of(&["a", "b"], None), Err(several.into()));
        assert_eq!(of(&["a"], Some("c")), Err("no program is called \"c\"; there are: a".into()));
        assert_eq!(of(&[], None), Err("/p/Cargo.toml has no program to build".into()));
        let elsewhere = program(&json!({"packages": []}), Path::new("/q/Cargo.toml"), None, None);
        assert!(elsewhere.unwrap_err().to_string().contains("run this in the folder of one"));
    }

    #[test]
    fn only_the_linkers_failures_are_the_linkers() {
        let of = |said: &str| match Failed::of(said) {
            Failed::Linker(why) => why,
            Failed::Other(error) => format!("other: {error}"),
        };
        let said = "error: linking with `cc` failed: exit status: 1\n  \
                    /usr/bin/ld: unrecognized option '--shuffle-sections=.text*=1'\n";
        assert_eq!(of(said), "/usr/bin/ld: unrecognized option '--shuffle-sections=.text*=1'");
        assert!(of("error: linking with `cc` failed\n  no lld here").contains("no lld here"));
        assert_eq!(
            of("error[E0308]: mismatched types"),
            "other: cargo failed:\nerror[E0308]: mismatched types"
        );
    }
}
