//! Rewrites every value under the active key, at its own timestamp, with a cursor that survives a restart
//! (spec §11: designed upstream, not built).
//!
//! Each step commits new values and cursor together, so a crash repeats only that step. A rewrite accepts the
//! same values as readers. Under [`Clear::Allowed`] it seals plaintext values from before the cut-over. Under
//! [`Clear::Refused`] a plaintext value stops it, since a forged one would come out authentic. Plaintext
//! tombstones stay as they are. Nothing here checks that all members have cut over: run it when they have.
//!
//! If another writer changes one of the step's rows in between, the step changes nothing, so a row deleted
//! meanwhile does not come back. A row that is neither a value nor the scheme's own stops the rewrite: no row
//! is skipped silently.

use std::num::NonZeroU32;

use super::SEALED_OVERHEAD;
use super::registry::{self, cursor_key};
use super::value::Read;
use super::{Clear, Error, Form, Sealer};
use crate::disk::{Change, Row, Store};

/// The progress of a rewrite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// This step rewrote this many values, and there may be more. 0 if a row changed between reading it and
    /// committing the step.
    More(u64),
    /// This step rewrote this many values, and there are no more.
    Done(u64),
}

/// Inspects up to `limit` rows after the cursor and rewrites those that are not sealed under `key_id`.
/// `clear` is the one that the store's readers use: [`Clear::Allowed`] only for the first rewrite.
///
/// # Errors
/// [`Error::Disk`]; [`Error::Stored`], which names the row, stops the rewrite there, and wraps an error of
/// [`Sealer::read`] for a value that readers refuse, or [`Error::StrayRow`]; those of
/// [`Sealer::check_budget`] and [`Sealer::seal_as`].
pub fn step(
    store: &dyn Store,
    sealer: &Sealer,
    clear: Clear,
    key_id: NonZeroU32,
    limit: usize,
) -> Result<Progress, Error> {
    let cursor = Cursor::find(store, key_id.get())?;
    if cursor == Cursor::Done {
        return Ok(Progress::Done(0));
    }
    let after = match &cursor {
        Cursor::After(key) => Some(key.as_slice()),
        _ => None,
    };
    let rows = store.scan(b"", after, limit.max(1))?;
    let next = match rows.last() {
        Some((key, _)) if rows.len() == limit.max(1) => Cursor::After(key.clone()),
        _ => Cursor::Done,
    };
    let (mut seen, mut changes): (Vec<Row>, Vec<Change>) = Default::default();
    for (key, stored) in rows {
        let there = |error: Error| error.stored_at(&key);
        if registry::is_own((&key, &stored)).map_err(there)? {
            continue;
        }
        let old = sealer.read(clear, &key, &stored).map_err(there)?;
        if old.key_id == Some(key_id.get()) || (old.key_id.is_none() && old.header.tombstone) {
            continue;
        }
        let short = || Error::StrayRow("its key is shorter than a timestamp").stored_at(&key);
        let (user_key, version) = key.split_last_chunk::<8>().ok_or_else(short)?;
        let Read { header, value, .. } = old;
        sealer.check_budget(key_id)?;
        let mut new = vec![0; value.len() + SEALED_OVERHEAD];
        let (form, commit_ts) = (Form::Sealed(key_id), !u64::from_be_bytes(*version));
        let header = (header.tombstone, header.expire_at);
        let len = sealer.seal_row(form, user_key, commit_ts, header, &value, &mut new)?;
        new.truncate(len);
        changes.push((key.clone(), Some(new)));
        seen.push((key, stored));
    }
    let rewritten = changes.len() as u64;
    changes.push((cursor_key(key_id.get()), Some(next.encode())));
    if !store.commit_if(&seen, &changes)? {
        return Ok(Progress::More(0));
    }
    Ok(if next == Cursor::Done { Progress::Done(rewritten) } else { Progress::More(rewritten) })
}

/// Whether every value has been rewritten under that key.
///
/// # Errors
/// [`Error::Disk`].
pub fn is_done(store: &dyn Store, key_id: u32) -> Result<bool, Error> {
    Ok(Cursor::find(store, key_id)? == Cursor::Done)
}

/// Restarts the rewrite under that key, because values have been sealed under other keys since.
///
/// # Errors
/// [`Error::Disk`].
pub fn begin_again(store: &dyn Store, key_id: u32) -> Result<(), Error> {
    Ok(store.commit(&[(cursor_key(key_id), None)])?)
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Cursor {
    Start,
    After(Vec<u8>),
    Done,
}

impl Cursor {
    fn find(store: &dyn Store, key_id: u32) -> Result<Self, Error> {
        Ok(match store.get(&cursor_key(key_id))?.as_deref() {
            None => Self::Start,
            Some([0, key @ ..]) => Self::After(key.to_vec()),
            Some(_) => Self::Done,
        })
    }

    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Start => vec![0],
            Self::After(key) => [&[0][..], key].concat(),
            Self::Done => vec![1],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::disk::Memory;
    use crate::envelope::aad::pebble_key;
    use crate::envelope::{Cipher, NonceSource, State, ValueHeader};
    use crate::scheme::storage::maintenance::{Evidence, count_under, retire};
    use crate::scheme::storage::registry::encode_key;
    use crate::scheme::storage::testing::{keystore, sidecar_with};
    use crate::scheme::storage::value::read;
    use crate::scheme::storage::{Budget, StateCache};

    const OLD: NonZeroU32 = NonZeroU32::new(3).unwrap();
    const NEW: NonZeroU32 = NonZeroU32::new(1).unwrap();

    fn sealer(keys: &[u8]) -> Sealer {
        let nonces = Arc::new(NonceSource::new(1, 1));
        Sealer::new(keystore(keys).into(), nonces, Arc::<StateCache>::default(), Arc::<Budget>::default())
    }

    /// Ten values under the old key, one under the new one, one in plaintext, a tombstone and a registry row.
    fn fill(store: &dyn Store, sealer: &Sealer) {
        let put = |key: Vec<u8>, value: Vec<u8>| store.commit(&[(key, Some(value))]).unwrap();
        for i in 0..11_u8 {
            let mut out = vec![0; 3 + SEALED_OVERHEAD];
            let form = Form::Sealed(if i < 10 { OLD } else { NEW });
            sealer.seal_as(form, &[i], 7, u64::from(i), &[i; 3], &mut out).unwrap();
            put(pebble_key(&[i], 7), out);
        }
        let clear = ValueHeader::default().encode();
        put(pebble_key(b"clear", 7), [&clear[..], b"old"].concat());
        let tombstone = ValueHeader { tombstone: true, state: State::Clear, expire_at: 0 }.encode();
        put(pebble_key(b"gone", 7), tombstone.into());
        put(encode_key(1, 1).into(), vec![0; 12]);
    }

    fn check(store: &dyn Store, cipher: &Cipher) {
        for i in 0..11_u8 {
            let key = pebble_key(&[i], 7);
            let value = read(Some(cipher), Clear::Refused, &key, &store.get(&key).unwrap().unwrap()).unwrap();
            assert_eq!((value.key_id, value.header.expire_at), (Some(NEW.get()), u64::from(i)));
            assert_eq!(value.value, [i; 3]);
        }
        let key = pebble_key(b"clear", 7);
        let value = read(Some(cipher), Clear::Refused, &key, &store.get(&key).unwrap().unwrap()).unwrap();
        assert_eq!((value.key_id, &value.value[..]), (Some(NEW.get()), &b"old"[..]));
    }

    #[test]
    fn every_value_is_rewritten_once_and_the_old_key_can_then_be_retired() {
        let (store, sealer) = (Memory::default(), sealer(&[1, 2, 3]));
        fill(&store, &sealer);
        let (_, file) = sidecar_with(|sidecar| {
            let mut entry = sidecar.entry(1).unwrap().clone();
            entry.wrapped = crate::scheme::storage::testing::wrapped(entry.purpose, 3);
            sidecar.keys.insert("3".into(), entry);
        });
        let evidence = Evidence::Storage { min_retained_ts: 8, youngest_ts: 7 };
        let retire = || retire(&file, sealer.cipher(), Clear::Refused, &store, 3, evidence);
        assert!(matches!(retire(), Err(Error::KeyStillNeeded(3, _))));
        let mut rewritten = 0;
        let done = loop {
            match step(&store, &sealer, Clear::Allowed, NEW, 4).unwrap() {
                Progress::More(count) => rewritten += count,
                Progress::Done(count) => break rewritten + count,
            }
        };
        assert_eq!(done, 11, "ten under the old key and the plaintext one");
        assert_eq!(step(&store, &sealer, Clear::Allowed, NEW, 4).unwrap(), Progress::Done(0));
        assert_eq!(count_under(sealer.cipher(), Clear::Refused, &store, 3).unwrap(), 0);
        check(&store, sealer.cipher());
        // The old key becomes active once more for a while, then the new one again; its cursor says "done".
        let key = pebble_key(b"later", 7);
        let mut later = vec![0; 1 + SEALED_OVERHEAD];
        sealer.seal_as(Form::Sealed(OLD), b"later", 7, 0, b"v", &mut later).unwrap();
        store.commit(&[(key, Some(later))]).unwrap();
        assert_eq!(step(&store, &sealer, Clear::Refused, NEW, 99).unwrap(), Progress::Done(0));
        assert!(matches!(retire(), Err(Error::KeyStillNeeded(3, _))));
        assert_eq!(step(&store, &sealer, Clear::Refused, NEW, 99).unwrap(), Progress::Done(1));
        retire().unwrap();
        assert_eq!(sealer.cipher().keystore().unwrap().ids(), [1, 2]);
    }

    #[cfg(feature = "redb")]
    #[test]
    fn a_power_cut_at_any_step_resumes_and_ends_with_the_same_values() {
        use crate::disk::{Recorder, Redb};

        let path = std::path::Path::new("/data/values");
        let open = |disk: &Recorder| Redb::open(disk, path).unwrap();
        let keys = sealer(&[1, 2, 3]);
        let (mut cut, mut states) = (0, 0);
        loop {
            let disk = Recorder::with_dir("/data");
            let store = open(&disk);
            fill(&store, &keys);
            disk.plan(disk.steps().len() + cut, crate::disk::Fault::Power);
            let run = |store: &dyn Store| -> Result<(), Error> {
                while step(store, &keys, Clear::Allowed, NEW, 5)? != Progress::Done(0) {}
                Ok(())
            };
            let whole = run(&store).is_ok();
            // The minimum and the maximum that may be left; the database's own tests cover the states in
            // between.
            for left in disk.some_after_power_loss(2, |_| 0) {
                let store = open(&left);
                run(&store).unwrap();
                check(&store, keys.cipher());
                states += 1;
            }
            if whole {
                break;
            }
            cut += 1;
        }
        assert!(cut >= 18 && states > cut, "{cut} cuts, {states} states");
    }

    /// A store in which a row is deleted as soon as it has been read.
    #[derive(Debug)]
    struct Collected<'a>(&'a Memory, Vec<u8>);

    impl Store for Collected<'_> {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, crate::disk::Error> {
            self.0.get(key)
        }

        fn commit_if(&self, seen: &[Row], changes: &[Change]) -> Result<bool, crate::disk::Error> {
            self.0.commit_if(seen, changes)
        }

        fn scan(
            &self,
            prefix: &[u8],
            after: Option<&[u8]>,
            limit: usize,
        ) -> Result<Vec<Row>, crate::disk::Error> {
            let found = self.0.scan(prefix, after, limit);
            self.0.commit(&[(self.1.clone(), None)])?;
            found
        }
    }

    #[test]
    fn a_row_deleted_while_a_step_reads_does_not_come_back() {
        let (store, sealer) = (Memory::default(), sealer(&[1, 2, 3]));
        fill(&store, &sealer);
        let key = pebble_key(&[5], 7);
        let collected = Collected(&store, key.clone());
        assert_eq!(step(&collected, &sealer, Clear::Allowed, NEW, 99).unwrap(), Progress::More(0));
        assert_eq!(step(&collected, &sealer, Clear::Allowed, NEW, 99).unwrap(), Progress::Done(10));
        assert_eq!(store.get(&key).unwrap(), None);
    }

    #[test]
    fn a_forged_value_stops_the_rewrite() {
        let (store, sealer) = (Memory::default(), sealer(&[1, 2, 3]));
        fill(&store, &sealer);
        let key = pebble_key(&[5], 7);
        let mut stored = store.get(&key).unwrap().unwrap();
        *stored.last_mut().unwrap() ^= 1;
        store.commit(&[(key, Some(stored))]).unwrap();
        let stopped = step(&store, &sealer, Clear::Allowed, NEW, 100).unwrap_err();
        let Error::Stored { key: named, cause } = stopped else { panic!("{stopped}") };
        assert!(named == pebble_key(&[5], 7) && matches!(*cause, Error::ReadIntegrity), "{cause}");
        assert!(!is_done(&store, NEW.get()).unwrap());
    }

    /// For each row, compares a reader that refuses plaintext values with rewriting, counting and retiring.
    #[test]
    fn maintenance_refuses_the_rows_that_readers_refuse_and_names_them() {
        let evidence = Evidence::Storage { min_retained_ts: 9, youngest_ts: 7 };
        let clear = ValueHeader::default().encode();
        let tombstone = ValueHeader { tombstone: true, ..ValueHeader::default() }.encode();
        let user = pebble_key(b"user", 7);
        let forged = [&clear[..], b"forged, and 34 bytes long: a record"].concat();
        // A user's stored value whose key and timestamp together lie under the prefix, as an older release
        // accepted it.
        let under = [&b"!encryption|writers"[..], b"|\0\0\0\x05|\0\x07"].concat();
        for (key, stored, is_cause) in [
            (
                user.clone(),
                [&clear[..], b"forged"].concat(),
                (|e| matches!(e, Error::ClearValue)) as fn(&Error) -> bool,
            ),
            (user.clone(), forged, |e| matches!(e, Error::ClearValue)),
            (user.clone(), [&tombstone[..], b"body"].concat(), |e| matches!(e, Error::ClearValue)),
            (user.clone(), vec![0; 3], |e| matches!(e, Error::Envelope(_))),
            (user, [&[0x04; 1][..], &[0; 40]].concat(), |e| matches!(e, Error::Envelope(_))),
            (under, vec![2; 44], |e| matches!(e, Error::StrayRow(_))),
            (b"!encryption|writers|x".to_vec(), tombstone.into(), |e| matches!(e, Error::StrayRow(_))),
        ] {
            let (store, sealer) = (Memory::default(), sealer(&[1, 2, 3]));
            let (_, file) = sidecar_with(|sidecar| {
                let mut entry = sidecar.entry(1).unwrap().clone();
                entry.wrapped = crate::scheme::storage::testing::wrapped(entry.purpose, 3);
                sidecar.keys.insert("3".into(), entry);
            });
            store.commit(&[(key.clone(), Some(stored.clone()))]).unwrap();
            let refused = |what: &str, error: Option<Error>| match error {
                Some(Error::Stored { key: named, cause }) if named == key && is_cause(&cause) => {}
                other => panic!("{what} of {stored:02x?}: {other:?}"),
            };
            refused("a rewrite", step(&store, &sealer, Clear::Refused, NEW, 9).err());
            assert_eq!(store.get(&key).unwrap(), Some(stored.clone()), "it is unchanged");
            assert!(!is_done(&store, NEW.get()).unwrap());
            refused("a count", count_under(sealer.cipher(), Clear::Refused, &store, 3).err());
            // Retire after a rewrite that ended before the row arrived.
            store.commit(&[(cursor_key(NEW.get()), Some(Cursor::Done.encode()))]).unwrap();
            let retired = retire(&file, sealer.cipher(), Clear::Refused, &store, 3, evidence);
            refused("a retirement", retired.err());
            assert!(!file.read().unwrap().entry(3).unwrap().wrapped.is_empty(), "its key is kept");
            let shown = Error::ClearValue.stored_at(&key).to_string();
            assert!(shown.starts_with(&format!("the stored key {:02x}", key[0])), "{shown}");
        }
    }

    #[test]
    fn a_row_whose_key_has_no_timestamp_is_not_skipped() {
        let (store, sealer) = (Memory::default(), sealer(&[1, 2, 3]));
        let clear = [&ValueHeader::default().encode()[..], b"value"].concat();
        store.commit(&[(b"short".to_vec(), Some(clear))]).unwrap();
        let stopped = step(&store, &sealer, Clear::Allowed, NEW, 9).unwrap_err();
        let Error::Stored { key, cause } = stopped else { panic!("{stopped}") };
        assert!(key == b"short" && matches!(*cause, Error::StrayRow(_)), "{cause}");
        assert!(!is_done(&store, NEW.get()).unwrap());
    }

    /// Our writers never seal a tombstone; another program may have.
    #[test]
    fn a_sealed_tombstone_is_rewritten_as_a_tombstone() {
        let (store, sealer) = (Memory::default(), sealer(&[1, 2, 3]));
        let (key, mut stored) = (pebble_key(b"gone", 7), vec![0; SEALED_OVERHEAD]);
        sealer.seal_row(Form::Sealed(OLD), b"gone", 7, (true, 5), b"", &mut stored).unwrap();
        store.commit(&[(key.clone(), Some(stored))]).unwrap();
        assert_eq!(step(&store, &sealer, Clear::Refused, NEW, 9).unwrap(), Progress::Done(1));
        assert_eq!(count_under(sealer.cipher(), Clear::Refused, &store, 3).unwrap(), 0);
        let now =
            read(Some(sealer.cipher()), Clear::Refused, &key, &store.get(&key).unwrap().unwrap()).unwrap();
        assert_eq!((now.key_id, now.header.tombstone, now.header.expire_at), (Some(NEW.get()), true, 5));
    }
}
