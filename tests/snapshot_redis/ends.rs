//! The rules of a database as source and as sink.

use std::io::Read;
use std::time::Duration;

use redis::cmd;
use sealmark::scheme::snapshot::redis::{MARK, stream};
use sealmark::scheme::snapshot::{Database, RedisSink, RedisSource, Sink, Source};

use crate::server::{Data, Server, fill};

const SPARE: u8 = 15;

fn database(server: &Server) -> Database {
    Database::parse(&server.url(0), None).expect("it is a URL")
}

fn sink(server: &Server) -> RedisSink {
    RedisSink::new(database(server), SPARE.into()).expect("the spare is another one")
}

fn set(server: &Server, index: u8, key: &str, value: &str) {
    cmd("SET").arg(key).arg(value).exec(&mut server.connection(index)).expect("it takes it");
}

fn get(server: &Server, key: &str) -> Option<String> {
    cmd("GET").arg(key).query(&mut server.connection(0)).expect("it answers")
}

/// What `DUMP` gives for a value.
fn dumped(server: &Server, value: &str) -> Vec<u8> {
    set(server, 9, "dumped", value);
    cmd("DUMP").arg("dumped").query(&mut server.connection(9)).expect("it dumps")
}

/// A snapshot with these keys.
fn snapshot(keys: &[(&str, u64, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    stream::put_begin(&mut out);
    for (key, expiry, payload) in keys {
        stream::put_entry(&mut out, key.as_bytes(), *expiry, payload);
    }
    stream::put_end(&mut out, keys.len() as u64);
    out
}

#[test]
fn a_snapshot_that_is_cut_forged_or_broken_leaves_the_database_untouched() {
    let Some(server) = Server::start(&[]) else { return };
    let payload = dumped(&server, "new");
    let whole = snapshot(&[("a", 0, &payload), ("b", 0, &payload)]);
    let mut wrong = payload.clone();
    wrong[2] ^= 1;
    set(&server, 0, "a", "old");
    let mut forged = whole.clone();
    forged.extend_from_slice(b"*1\r\n$8\r\nFLUSHALL\r\n");
    for (snapshot, why) in [
        (whole[..whole.len() - 1].to_vec(), "ends after 2 keys without the mark of its end"),
        (forged, "something follows its end"),
        (b"*1\r\n$8\r\nFLUSHALL\r\n".to_vec(), "does not begin like one"),
        (snapshot(&[("a", 0, &payload), ("b", 0, &wrong)]), "restoring keys"),
        (snapshot(&[(MARK, 0, &payload)]), "which is reserved"),
    ] {
        let refused = sink(&server).apply(&snapshot).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
        assert_eq!((get(&server, "a").as_deref(), server.keys(0), server.keys(SPARE)), (Some("old"), 1, 0));
    }
    sink(&server).apply(&whole).expect("this one is whole");
    assert_eq!((get(&server, "b").as_deref(), server.keys(0), server.keys(SPARE)), (Some("new"), 2, 0));
}

#[test]
fn a_key_that_expired_on_the_way_does_not_come_back() {
    let Some(server) = Server::start(&[]) else { return };
    let payload = dumped(&server, "new");
    sink(&server).apply(&snapshot(&[("gone", 1, &payload), ("stays", 0, &payload)])).expect("it is whole");
    assert_eq!((get(&server, "gone"), get(&server, "stays").as_deref()), (None, Some("new")));
}

#[test]
fn somebodys_data_is_no_spare_database() {
    let Some(server) = Server::start(&[]) else { return };
    set(&server, SPARE, "theirs", "kept");
    let refused = sink(&server).begin().err().expect("it is refused").to_string();
    assert!(refused.contains("database 15 has 1 keys and is no spare one"), "{refused}");
    assert_eq!(server.keys(SPARE), 1);
    let refused = RedisSink::new(database(&server), 0).unwrap_err().to_string();
    assert!(refused.contains("its spare database must be another one"), "{refused}");
    let missing = RedisSink::new(database(&server), 16).unwrap().begin().err().expect("there are 16");
    assert!(missing.to_string().contains("selecting database 16"), "{missing}");
    // What a dead transfer left has its mark, and is removed.
    set(&server, SPARE, MARK, "of a dead one");
    sink(&server).apply(&snapshot(&[])).expect("an empty snapshot is whole");
    assert_eq!((server.keys(SPARE), server.keys(0)), (0, 0));
}

/// As two receivers in two processes.
#[test]
fn of_two_transfers_into_one_database_the_later_wins_and_nothing_is_mixed() {
    let Some(server) = Server::start(&[]) else { return };
    let payload = dumped(&server, "new");
    let [first, second] = [sink(&server), sink(&server)];
    let [one, two] = ["one", "two"].map(|key| snapshot(&[(key, 0, &payload)]));
    let mut earlier = first.begin().expect("the spare is empty");
    let busy = first.begin().err().expect("one at a time").to_string();
    assert!(busy.contains("another transfer is being restored"), "{busy}");
    earlier.write(&one).unwrap();
    let mut later = second.begin().expect("it takes over");
    let lost = earlier.commit().unwrap_err().to_string();
    assert!(lost.contains("another transfer has taken the spare database"), "{lost}");
    later.write(&two).unwrap();
    later.commit().expect("it has the spare");
    assert_eq!(
        (get(&server, "one"), get(&server, "two").as_deref(), server.keys(SPARE)),
        (None, Some("new"), 0)
    );
    // The one that lost emptied nothing, and its sink serves again.
    first.apply(&one).unwrap();
    assert_eq!((get(&server, "one").as_deref(), server.keys(0)), (Some("new"), 1));
}

#[test]
fn a_transfer_that_is_dropped_leaves_nothing() {
    let Some(server) = Server::start(&[]) else { return };
    let payload = dumped(&server, "new");
    set(&server, 0, "a", "old");
    let sink = sink(&server);
    let mut transfer = sink.begin().unwrap();
    let many: Vec<_> = (0..1500).map(|i| i.to_string()).collect();
    let many: Vec<_> = many.iter().map(|key| (&**key, 0, &payload[..])).collect();
    transfer.write(&snapshot(&many)).unwrap();
    assert!(server.keys(SPARE) > 1000, "a batch was restored");
    drop(transfer);
    assert_eq!((server.keys(SPARE), get(&server, "a").as_deref()), (0, Some("old")));
}

#[test]
fn writes_wait_while_a_snapshot_is_read_and_a_change_is_noticed() {
    let Some(server) = Server::start(&[]) else { return };
    fill(&server, 3000, 1);
    let source = RedisSource::new(database(&server));
    let writes = |wait: u64| {
        let mut connection = server.connection(0);
        connection.set_read_timeout(Some(Duration::from_millis(wait))).unwrap();
        cmd("SET").arg("late").arg("1").exec(&mut connection).is_ok()
    };
    let mut reading = source.open().unwrap();
    reading.read_exact(&mut [0; 1000]).unwrap();
    assert!(!writes(200), "it waits");
    assert_eq!(get(&server, "late"), None);
    let mut rest = Vec::new();
    reading.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(b"sealmark.redis/1:3000\r\n"));
    assert!(writes(20_000), "it goes on");
    drop(reading);

    let mut reading = source.open().unwrap();
    reading.read_exact(&mut [0; 1000]).unwrap();
    cmd("CLIENT").arg("UNPAUSE").exec(&mut server.connection(0)).unwrap();
    set(&server, 0, "late", "2");
    let refused = reading.read_to_end(&mut Vec::new()).unwrap_err().to_string();
    assert!(refused.contains("data changed while writes were paused"), "{refused}");
    drop(reading);
    assert!(writes(20_000), "the pause ended with the reading");
}

/// A server that does not know the command that Redis 7 brought.
#[test]
fn without_pexpiretime_expiry_times_are_nearly_right() {
    let Some(old) = Server::start(&["--rename-command", "PEXPIRETIME", ""]) else { return };
    let Some(new) = Server::start(&[]) else { return };
    let time = 4_000_000_000_000_i64;
    set(&old, 0, "stays", "1");
    set(&old, 0, "expires", "2");
    cmd("PEXPIREAT").arg("expires").arg(time).exec(&mut old.connection(0)).unwrap();
    let snapshot = RedisSource::new(database(&old)).snapshot().unwrap();
    sink(&new).apply(&snapshot).unwrap();
    let copied = Data::of(&new).expiries;
    assert_eq!((copied.len(), copied[&b"stays"[..]]), (2, -1));
    assert!((copied[&b"expires"[..]] - time).abs() < 2_000, "{copied:?}");
}
