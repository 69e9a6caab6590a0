//! The database under power cuts, disk faults and bit rot.

use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::disk::{Fault, Os, Step};

const FILE: &str = "/data/registry";

fn open(disk: &Recorder) -> Result<Redb, Error> {
    Redb::open(disk, Path::new(FILE))
}

fn row(key: u8, value: &[u8]) -> Row {
    (vec![key], value.to_vec())
}

fn put(key: u8, value: &[u8]) -> Change {
    (vec![key], Some(value.to_vec()))
}

/// A deterministic source of numbers below the given one.
fn drawing(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |of| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % of
    }
}

#[test]
fn a_database_behaves_and_keeps_its_rows_when_reopened() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::with_dir("/data");
    for (disk, path) in [(&Os as &dyn Disk, &*folder.path().join("rows")), (&recorder, Path::new(FILE))] {
        crate::disk::store::behaves(&Redb::open(disk, path).unwrap());
        let again = Redb::open(disk, path).unwrap();
        assert_eq!(again.scan(b"", None, 9).unwrap().len(), 3);
        assert!(matches!(Redb::open(disk, path), Err(Error::InUse { .. })), "{path:?}");
    }
    assert!(open(&Recorder::with_dir("/elsewhere")).unwrap_err().is_not_found());
}

#[test]
fn a_new_database_is_created_atomically() {
    let disk = Recorder::with_dir("/data");
    open(&disk).unwrap();
    let steps = disk.steps();
    assert!(matches!(steps[4..6], [Step::Rename(..), Step::SyncDir(_)]), "{steps:?}");
    let in_place = |step: &Step| matches!(step, Step::WriteAt(..) | Step::SetSize(..));
    assert!(!steps[..6].iter().any(in_place) && steps[6..].iter().any(in_place), "{steps:?}");
}

/// Commits, one of which extends the file while later ones shrink it.
fn stages() -> Vec<Vec<Change>> {
    let large = vec![7; 1024 * 1024];
    let mut stages =
        vec![vec![put(1, b"1"), put(2, b"2")], vec![(vec![1], None), put(3, &large)], vec![(vec![3], None)]];
    stages.extend((0..4).map(|i| vec![put(2, &[i])]));
    stages
}

/// Makes these commits; returns how many were acknowledged.
fn commits(disk: &Recorder) -> (usize, Result<(), Error>) {
    let mut done = 0;
    let result = (|| {
        let store = open(disk)?;
        for changes in stages() {
            store.commit(&changes)?;
            done += 1;
        }
        Ok(())
    })();
    (done, result)
}

/// Asserts that the rows match the acknowledged commits, or those and the next one.
fn check(store: &Redb, done: usize) {
    let seen = store.scan(b"", None, 9).unwrap();
    let after = |commits: usize| {
        let mut rows = BTreeMap::new();
        for (key, value) in stages().into_iter().take(commits).flatten() {
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        rows.into_iter().collect::<Vec<Row>>()
    };
    assert!(seen == after(done) || seen == after(done + 1), "after {done} commits: {} rows", seen.len());
}

#[test]
fn a_power_cut_at_any_step_leaves_all_changes_of_a_commit_or_none() {
    let whole = Recorder::with_dir("/data");
    commits(&whole).1.unwrap();
    let steps = whole.steps();
    let size = |step: &Step| if let Step::SetSize(_, size) = step { Some(*size) } else { None };
    let sizes: Vec<u64> = steps.iter().filter_map(size).collect();
    assert!(sizes.windows(2).any(|pair| pair[1] < pair[0]), "longer and shorter: {sizes:?}");
    let (mut draw, mut states) = (drawing(1), 0);
    for cut in 0..=steps.len() {
        let disk = Recorder::with_dir("/data");
        disk.plan(cut, Fault::Power);
        let (done, result) = commits(&disk);
        assert_eq!(result.is_ok(), cut == steps.len());
        for left in disk.some_after_power_loss(6, &mut draw) {
            // The start itself is interrupted somewhere, too.
            left.plan(draw(12), Fault::Power);
            drop(open(&left));
            for left in left.some_after_power_loss(3, &mut draw) {
                check(&open(&left).unwrap_or_else(|error| panic!("step {cut}: {error}")), done);
                states += 1;
            }
        }
    }
    println!("{} steps, {states} states", steps.len());
    assert!(states > steps.len() * 3, "{} steps, {states} states", steps.len());
}

#[test]
fn after_a_failed_step_the_store_refuses_every_call_until_reopened() {
    let whole = Recorder::with_dir("/data");
    commits(&whole).1.unwrap();
    let mut failed = HashSet::new();
    for (fault, step) in [Fault::NoSpace, Fault::Io, Fault::ReadOnly]
        .into_iter()
        .flat_map(|fault| (0..whole.steps().len()).map(move |step| (fault, step)))
    {
        let disk = Recorder::with_dir("/data");
        disk.plan(step, fault);
        let mut done = 0;
        if let Ok(store) = open(&disk) {
            for changes in stages() {
                if store.commit(&changes).is_ok() {
                    done += 1;
                    continue;
                }
                let nothing = [
                    store.get(&[2]).is_err(),
                    store.scan(b"", None, 1).is_err(),
                    store.commit(&changes).is_err(),
                ];
                assert_eq!(nothing, [true; 3], "{fault:?} at step {step}");
                failed.insert(done);
                break;
            }
        }
        check(&open(&disk.after_restart()).unwrap(), done);
    }
    assert_eq!(failed.len(), stages().len(), "every commit fails at some step");
}

/// A file whose syncs take a long time and then fail, or whose bytes rot.
#[derive(Debug)]
struct Failing {
    file: Box<dyn OpenFile>,
    no_sync: Arc<AtomicBool>,
    rot: Arc<AtomicBool>,
}

impl OpenFile for Failing {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(at, out)?;
        if self.rot.load(Ordering::Acquire) {
            out.fill(0xff);
        }
        Ok(())
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(at, bytes)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.file.set_size(size)
    }

    fn sync(&self) -> io::Result<()> {
        if !self.no_sync.load(Ordering::Acquire) {
            return self.file.sync();
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        Err(io::Error::other("no more"))
    }
}

/// A store in such a file, and its two flags.
fn failing(disk: &Recorder) -> (Redb, Arc<AtomicBool>, Arc<AtomicBool>) {
    drop(open(disk).unwrap());
    let (path, stopped) = (Path::new(FILE), Arc::default());
    let (no_sync, rot) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let file =
        Failing { file: disk.open(path).unwrap(), no_sync: Arc::clone(&no_sync), rot: Arc::clone(&rot) };
    let database = database(Box::new(file), Arc::clone(&stopped), path).unwrap();
    (Redb::of(database, stopped, path), no_sync, rot)
}

#[test]
fn commits_that_wait_for_a_failing_commit_also_fail() {
    let (store, no_sync, _) = failing(&Recorder::with_dir("/data"));
    store.commit(&[put(1, b"1")]).unwrap();
    no_sync.store(true, Ordering::Release);
    std::thread::scope(|scope| {
        let store = &store;
        let commits = [2, 3, 4, 5].map(|key| scope.spawn(move || store.commit(&[put(key, b"1")])));
        for commit in commits {
            assert!(commit.join().expect("no panic").is_err());
        }
    });
}

/// redb reads a page that is not in its cache without comparing its checksum, and panics at one that it does
/// not understand.
#[test]
fn a_page_that_rots_under_an_open_database_is_damage_and_no_panic() {
    let rotten = |call: &dyn Fn(&Redb) -> Result<(), Error>| {
        let (store, _, rot) = failing(&Recorder::with_dir("/data"));
        // More than the cache holds.
        for key in 0..8 {
            store.commit(&[put(key, &vec![key; CACHE_BYTES / 4])]).unwrap();
        }
        rot.store(true, Ordering::Release);
        let error = call(&store).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        assert!(store.get(&[1]).is_err() && store.scan(b"", None, 1).is_err(), "a damaged store answers");
        assert!(store.commit(&[put(1, b"1")]).is_err(), "a damaged store is changed");
    };
    rotten(&|store| (0..8).try_for_each(|key| store.get(&[key]).map(drop)));
    rotten(&|store| store.scan(b"", None, 9).map(drop));
    rotten(&|store| (0..8).try_for_each(|key| store.commit(&[(vec![key], None)])));
}

#[test]
fn a_flipped_bit_is_refused_or_does_not_affect_the_rows() {
    let disk = Recorder::with_dir("/data");
    let store = open(&disk).unwrap();
    store.commit(&[put(1, &[0xab; 100])]).unwrap();
    drop(store);
    let good = disk.read(Path::new(FILE)).unwrap();
    let (mut refused, mut passed) = (0, 0);
    // The header, the row, and some of the rest. redb asserts the sizes in the header, so only one byte of
    // each is tried: printing a caught panic is slow.
    let sizes = (12..32).filter(|at| at % 4 != 0);
    let some = |at: &usize| *at < 320 || good[*at] == 0xab || at.is_multiple_of(1_021);
    for at in (0..good.len()).filter(|at| some(at) && !sizes.clone().any(|size| size == *at)) {
        let left = disk.after_restart();
        let file = left.open(Path::new(FILE)).unwrap();
        file.write_at(at as u64, &[good[at] ^ 1 << (at % 8)]).unwrap();
        drop(file);
        match open(&left) {
            Err(Error::Damaged { .. }) => refused += 1,
            Err(error) => panic!("byte {at}: {error}"),
            Ok(store) => {
                assert_eq!(store.scan(b"", None, 9).unwrap(), [row(1, &[0xab; 100])], "byte {at}");
                passed += 1;
            }
        }
    }
    println!("{refused} refused, {passed} passed");
    assert!(refused > 200, "{refused} refused, {passed} passed");
}

/// The state that a power loss would leave if a commit were written before the length that it needs is on the
/// medium.
#[test]
fn a_file_shorter_than_its_header_says_is_refused() {
    let disk = Recorder::with_dir("/data");
    open(&disk).unwrap().commit(&[put(1, b"1")]).unwrap();
    let file = disk.open(Path::new(FILE)).unwrap();
    file.set_size(file.size().unwrap() - 4096).unwrap();
    drop(file);
    let error = open(&disk).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

#[test]
#[cfg(unix)]
fn a_linked_database_is_changed_in_place_and_a_dangling_link_is_refused() {
    use crate::disk::Os;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink(at("real"), at("link")).unwrap();
    let refused = Redb::open(&Os, &at("link")).unwrap_err();
    assert!(matches!(refused, Error::SymbolicLink { .. }), "{refused}");
    drop(Redb::open(&Os, &at("real")).unwrap());
    let linked = Redb::open(&Os, &at("link")).unwrap();
    linked.commit(&[put(1, b"1")]).unwrap();
    let twice = Redb::open(&Os, &at("real")).unwrap_err();
    assert!(matches!(twice, Error::InUse { .. }), "one file, one lock: {twice}");
    drop(linked);
    assert_eq!(Redb::open(&Os, &at("real")).unwrap().get(&[1]).unwrap(), Some(b"1".to_vec()));
}

#[test]
fn a_file_that_is_not_a_database_is_refused() {
    for bytes in [&b""[..], b"no database", &[0; 4096]] {
        let disk = Recorder::with_dir("/data");
        durable_write(&disk, Path::new(FILE), bytes).unwrap();
        let error = open(&disk).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        assert_eq!(disk.read(Path::new(FILE)).unwrap(), bytes, "the file is unchanged");
    }
}
