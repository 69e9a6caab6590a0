//! The states that a power loss leaves, and the effect of each fault.

use super::*;

fn write(disk: &Recorder, path: &str, bytes: &[u8]) -> Box<dyn NewFile> {
    let mut file = disk.create(Path::new(path)).unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn found(disk: &Recorder, path: &str) -> BTreeSet<Option<Vec<u8>>> {
    disk.after_power_loss().iter().map(|left| left.read(Path::new(path)).ok()).collect()
}

#[test]
fn unsynced_bytes_may_be_absent_halved_zeros_or_complete() {
    let disk = Recorder::with_dir("/d");
    let mut file = write(&disk, "/d/a", b"1234");
    disk.sync_dir(Path::new("/d")).unwrap();
    let all = [&b""[..], b"12", b"\0\0\0\0", b"1234"];
    assert_eq!(found(&disk, "/d/a"), all.iter().map(|b| Some(b.to_vec())).collect());
    file.sync().unwrap();
    assert_eq!(found(&disk, "/d/a"), [Some(b"1234".to_vec())].into());
}

#[test]
fn a_synced_file_in_an_unsynced_folder_may_have_no_name() {
    let disk = Recorder::with_dir("/d");
    write(&disk, "/d/a", b"1").sync().unwrap();
    assert_eq!(found(&disk, "/d/a"), [None, Some(b"1".to_vec())].into());
    disk.sync_dir(Path::new("/d")).unwrap();
    assert_eq!(found(&disk, "/d/a"), [Some(b"1".to_vec())].into());
}

#[test]
fn names_change_independently_of_each_other() {
    let disk = Recorder::with_dir("/d");
    for name in ["/d/a", "/d/b"] {
        write(&disk, name, b"1").sync().unwrap();
    }
    disk.sync_dir(Path::new("/d")).unwrap();
    disk.rename(Path::new("/d/a"), Path::new("/d/c")).unwrap();
    disk.remove(Path::new("/d/b")).unwrap();
    let left: BTreeSet<_> = disk.after_power_loss().iter().map(Recorder::names).collect();
    let names = |list: &[&str]| list.iter().map(PathBuf::from).collect::<Vec<_>>();
    let all = [names(&["/d/a", "/d/b"]), names(&["/d/a"]), names(&["/d/b", "/d/c"]), names(&["/d/c"])];
    assert_eq!(left, all.into());
    assert_eq!(disk.after_restart().names(), names(&["/d/c"]));
}

#[test]
fn each_fault_fails_as_documented() {
    let disk = Recorder::with_dir("/d");
    disk.plan(1, Fault::NoSpace);
    let mut file = disk.create(Path::new("/d/a")).unwrap();
    assert_eq!(file.write_all(b"1234").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(disk.read(Path::new("/d/a")).unwrap(), b"12");
    disk.plan(2, Fault::Io);
    assert!(file.sync().is_err());
    file.sync().unwrap();
    assert!(found(&disk, "/d/a").contains(&Some(vec![])), "a sync after a failed one keeps nothing");
    disk.plan(4, Fault::ReadOnly);
    for _ in 0..2 {
        let refused = disk.remove(Path::new("/d/a")).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ReadOnlyFilesystem);
    }
    disk.plan(6, Fault::Power);
    assert!(disk.read(Path::new("/d/a")).is_ok());
    assert!(disk.sync_dir(Path::new("/d")).is_err());
    assert!(disk.read(Path::new("/d/a")).is_err() && disk.exists(Path::new("/d/a")).is_err());
    assert_eq!(disk.steps().len(), 7);
}
