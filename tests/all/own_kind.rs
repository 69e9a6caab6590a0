//! A kind of workload is one file and one line: this file, and its line in `KINDS`. It is declared, measured
//! and reported like ours, and it is detected if it leaves work undone.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use sealmark::aead::{Aead, Nonce, Tag};
use sealmark::engine::{Engine, find};
use sealmark::measure::{self, Catalog, Error, Kind, Plan, Row, Subject, Suite, Timed, Workload};
use sealmark::report::{File, Report};

/// The table.
const KINDS: &[&dyn Kind] = &[&Mac { lazy: false }, &Mac { lazy: true }];

/// Its rows.
const ROWS: &str = r#"
cases = 2
[[workload]]
ops = ["mac", "lazy_mac"]
algorithms = ["header"]
sizes = [1024]
arena = "L1"
suite = "quick"
why = "What binding a header costs that is not encrypted."
"#;

/// Computes the tag of a header without a ciphertext.
struct Mac {
    lazy: bool,
}

impl Kind for Mac {
    fn name(&self) -> &'static str {
        if self.lazy { "lazy_mac" } else { "mac" }
    }

    fn subject(&self) -> Subject {
        Subject::One("header")
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        let key = |engine: &dyn Engine| engine.key(workload.needs(), &[7; 32]).expect("32 bytes are a key");
        let other = key(find("sealmark/portable").expect("always there"));
        let header = vec![3; workload.bytes];
        let (key, tags, lazy) = (key(engine), vec![Tag::default(); count], self.lazy);
        Ok(Box::new(Macs { key, other, header, tags, passes: 0, lazy }))
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        Some(workload.bytes)
    }
}

struct Macs {
    key: Box<dyn Aead>,
    other: Box<dyn Aead>,
    header: Vec<u8>,
    tags: Vec<Tag>,
    passes: u64,
    /// Whether a pass does only its first operation.
    lazy: bool,
}

impl Macs {
    /// A different one for each operation of each pass.
    fn nonce(&self, operation: usize) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&self.passes.to_be_bytes());
        nonce[8..].copy_from_slice(&(operation as u32).to_be_bytes());
        nonce
    }
}

impl Timed for Macs {
    fn reset(&mut self) {
        self.passes += 1;
        self.tags.fill(Tag::default());
    }

    fn run(&mut self) {
        let done = if self.lazy { 1 } else { self.tags.len() };
        for i in 0..done {
            let nonce = self.nonce(i);
            let sealed = self.key.seal(black_box(&nonce), &self.header, &mut [], &mut self.tags[i]);
            sealed.expect("a header is not too long");
        }
        black_box(&self.tags);
    }

    fn count(&self) -> u64 {
        self.tags.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        for (i, tag) in self.tags.iter().enumerate() {
            let mut expected = Tag::default();
            let sealed = self.other.seal(&self.nonce(i), &self.header, &mut [], &mut expected);
            sealed.map_err(|error| error.to_string())?;
            if expected.0 != tag.0 {
                return Err(format!("tag {i} is not the reference's"));
            }
        }
        Ok(())
    }
}

#[test]
fn a_users_own_kind_is_measured_and_reported_and_a_lazy_one_gets_no_time() {
    let catalog = Catalog::read(&[("own.toml", ROWS)], KINDS, &[]).expect("it reads");
    let plan = Plan {
        catalog: Arc::new(catalog),
        processes: 0,
        budget: Duration::from_millis(10),
        ..Plan::new(Suite::Quick, vec![find("sealmark").expect("always there")])
    };
    let run = measure::run(&plan, &AtomicBool::new(false), &mut |_| {}).expect("a run");
    let [honest, lazy] = &run.rows[..] else { panic!("{:?}", run.rows) };
    let named = |row: &Row| (row.workload.clone(), row.op.clone(), row.algorithm.clone(), row.bytes);
    assert_eq!(named(honest), ("mac/header/1024".into(), "mac".into(), "header".into(), 1024));
    assert!(honest.ns.is_some() && honest.error.is_none(), "{honest:?}");
    assert_eq!(honest.arena.as_ref().map(|arena| arena.level.as_str()), Some("L1"));
    assert_eq!(lazy.workload, "lazy_mac/header/1024");
    assert_eq!((lazy.ns, lazy.error.as_deref()), (None, Some("tag 1 is not the reference's")));

    let text = Report::build(vec![File::Bench(run)]).text(160);
    for shown in ["mac/header/1024", "lazy_mac/header/1024", "tag 1 is not the reference's"] {
        assert!(text.contains(shown), "{shown} is not in\n{text}");
    }
}

#[test]
fn a_row_of_no_kind_is_refused_by_name() {
    let refused = Catalog::read(&[("own.toml", ROWS)], measure::KINDS, &[]).unwrap_err().to_string();
    assert!(
        refused.starts_with("own.toml: no kind of workload is called \"mac\" and works on \"header\""),
        "{refused}"
    );
    assert!(refused.contains("seal (aes-256-gcm and the like)"), "{refused}");
}
