//! Tables: what they give, and that none is missing, replaced or brought back.

use super::*;

#[test]
fn a_table_gives_its_entries_and_only_its_own() {
    let (disk, mut log) = new_log();
    let value = |i: usize| vec![i as u8; [0, 10, 3000, 10_000][i % 4]];
    let row = |i: usize| (format!("{i:03}").into_bytes(), (!i.is_multiple_of(5)).then(|| value(i)));
    let rows: Vec<_> = (0..50).map(row).collect();
    let entries = || rows.iter().map(|(key, value)| Entry { key, value: value.as_deref() });
    assert_eq!((log.add_table(entries()).unwrap(), log.add_table([]).unwrap()), (1, 2));
    for refused_rows in [[b"b", b"a"], [b"a", b"a"]] {
        let rows = refused_rows.map(|key| Entry { key: &key[..], value: None });
        assert_eq!(refused(log.add_table(rows)), "INVALID_RECORD");
    }
    let over = Entry { key: &[0; 1025], value: None };
    assert_eq!(refused(log.add_table([over])), "INVALID_RECORD");
    drop(log);
    let (mut log, _) = open(&disk, &strict()).unwrap();
    let found: Vec<_> = log.tables().map(|table| (table.number, table.blocks > 10)).collect();
    assert_eq!(found, [(1, true), (2, false)]);
    let table = log.table(1).unwrap();
    for (key, value) in &rows {
        let found = match table.get(key).unwrap().unwrap() {
            Found::Value(value) => Some(value),
            Found::Tombstone => None,
        };
        assert_eq!(&found, value);
    }
    for absent in [&b""[..], b"0005", b"999"] {
        assert!(table.get(absent).unwrap().is_none());
    }
    let mut scanned = Vec::new();
    table.scan(&mut |entry| scanned.push((entry.key.to_vec(), entry.value.map(<[u8]>::to_vec)))).unwrap();
    assert_eq!(scanned, rows);
    drop(table);
    assert!(log.table(2).unwrap().get(b"").unwrap().is_none());
    log.remove_table(1).unwrap();
    assert!(matches!(log.remove_table(1), Err(Error::NoTable(1))));
    assert!(matches!(log.table(1), Err(Error::NoTable(1))));
    assert!(!disk.exists(&path("000001.sst")).unwrap());
    assert_eq!(log.add_table([]).unwrap(), 3, "a number is never used again");
}

#[test]
fn a_removed_table_that_is_put_back_is_not_part_of_the_log_and_a_noted_one_cannot_be_missing() {
    let (disk, mut log) = new_log();
    let row = |value: &'static [u8]| [Entry { key: b"k", value: Some(value) }];
    log.add_table(row(b"old")).unwrap();
    let old = bytes(&files(&disk), "000001.sst").to_vec();
    log.add_table(row(b"new")).unwrap();
    log.remove_table(1).unwrap();
    drop(log);
    let all = files(&disk);
    let back = Recorder::with_files(DIR, all.iter().cloned().chain([(path("000001.sst"), old.clone())]));
    let (log, _) = open(&back, &strict()).unwrap();
    assert_eq!(log.tables().map(|table| table.number).collect::<Vec<_>>(), [2]);
    assert!(!back.exists(&path("000001.sst")).unwrap(), "a leftover is removed");
    assert_eq!(old.len(), bytes(&all, "000002.sst").len());
    assert_eq!(refused(open(&with(&all, &[("000002.sst", &old)]), &strict())), "NOT_AUTHENTIC");
    let without = with(&all, &[]);
    without.remove(&path("000002.sst")).unwrap();
    assert_eq!(refused(open(&without, &strict())), "MISSING_FILE");
}
