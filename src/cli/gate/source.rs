//! Builds the two sides of a comparison from git: the base in a work tree of its own, the head as it lies
//! here, both with the same flags, into one target folder, and linked in several orders.
//!
//! The place of the code in the program alone moves times by 0.03 to 0.3 %, and once by 2.6 %: identical
//! sources linked in another order differ by that. So each side is linked in the same few random orders, and
//! pairs are drawn over them. That takes LLD, which is Rust's own linker on Linux on x86-64. Elsewhere, and
//! where the linker refuses, each side has one order, and the output says so.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Seeds of the link orders.
const ORDERS: [u32; 3] = [1, 2, 3];

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

/// Both sides, built.
pub(super) struct Built {
    pub base: Vec<PathBuf>,
    pub head: Vec<PathBuf>,
    /// The base's commit.
    pub revision: String,
    /// Why each side has only one link order, where it has.
    pub one_order: Option<String>,
}

impl Source {
    /// Builds the base at a revision, and the head from the files that lie in the package's folder.
    pub fn build(&self, revision: &str, tell: &dyn Fn(&str)) -> anyhow::Result<Built> {
        let revision = self.git(&["rev-parse", "--verify", &format!("{revision}^{{commit}}")])?;
        let root = PathBuf::from(self.git(&["rev-parse", "--show-toplevel"])?);
        let within = self.package.canonicalize()?;
        let within = within.strip_prefix(root.canonicalize()?).unwrap_or(Path::new("")).to_owned();
        let tree = self.target.join("gate").join("base");
        self.remove(&tree);
        self.git(&["worktree", "add", "--detach", "--force", &tree.display().to_string(), &revision])
            .context("checking the base out")?;
        let built = self.build_both(&tree.join(within), &revision, tell);
        self.remove(&tree);
        built
    }

    fn build_both(&self, base: &Path, revision: &str, tell: &dyn Fn(&str)) -> anyhow::Result<Built> {
        tell("building the head");
        let (orders, one_order) = match self.link("head", &self.package, Some(ORDERS[0])) {
            Ok(_) => (ORDERS.map(Some).to_vec(), None),
            // Where the code itself does not build, the next attempt says so again.
            Err(error) => (vec![None], Some(format!("the linker takes no order of sections: {error:#}"))),
        };
        let side = |name, folder| {
            orders.iter().map(|order| self.link(name, folder, *order)).collect::<anyhow::Result<Vec<_>>>()
        };
        let head = side("head", &self.package).context("building the head")?;
        tell(&format!("building the base, {}", &revision[..revision.len().min(12)]));
        let base = side("base", base).with_context(|| format!("building the base, {revision}"))?;
        Ok(Built { base, head, revision: revision.to_owned(), one_order })
    }

    /// Links the files that lie in the package's folder in these orders, and says where each program is.
    pub fn orders(&self, seeds: impl IntoIterator<Item = u32>) -> anyhow::Result<Vec<PathBuf>> {
        seeds.into_iter().map(|seed| self.link("order", &self.package, Some(seed))).collect()
    }

    /// Builds and links one program, and puts it aside under a name of its own.
    fn link(&self, side: &str, folder: &Path, order: Option<u32>) -> anyhow::Result<PathBuf> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["rustc", "--release", "--bin", &self.program, "--manifest-path"]);
        cargo.arg(folder.join("Cargo.toml")).arg("--target-dir").arg(&self.target).args(&self.cargo);
        if let Some(seed) = order {
            cargo.args(["--", "-C", &format!("link-arg=-Wl,--shuffle-sections=.text*={seed}")]);
        }
        let output = cargo.stdin(Stdio::null()).output().context("starting cargo")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last: Vec<&str> = said.lines().rev().take(20).collect();
            bail!(
                "cargo failed ({}):\n{}",
                output.status,
                last.into_iter().rev().collect::<Vec<_>>().join("\n")
            );
        }
        let suffix = std::env::consts::EXE_SUFFIX;
        let name = order.map_or_else(|| side.to_owned(), |seed| format!("{side}-{seed}"));
        let kept = self.target.join("gate").join(name + suffix);
        let made = self.target.join("release").join(format!("{}{suffix}", self.program));
        std::fs::create_dir_all(self.target.join("gate"))?;
        std::fs::copy(&made, &kept).with_context(|| format!("copying {}", made.display()))?;
        Ok(kept)
    }

    fn git(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new("git").arg("-C").arg(&self.package).args(arguments).output();
        let output = output.context("starting git")?;
        if !output.status.success() {
            bail!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Removes a work tree, whether it is one or what was left of one.
    fn remove(&self, tree: &Path) {
        // Neither matters where there is nothing; what stays in the way is refused by the next checkout.
        let _ = self.git(&["worktree", "remove", "--force", &tree.display().to_string()]);
        let _ = std::fs::remove_dir_all(tree);
    }

    /// The commit from which the head's branch went its own way: of a pull request's target where CI names
    /// one, else of the repository's default branch.
    pub fn merge_base(&self) -> anyhow::Result<String> {
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
