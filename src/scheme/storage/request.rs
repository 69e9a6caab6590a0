//! An operator's requests to the leader: key changes and registrations, checked and turned into log entries
//! (spec §7, §12).
//!
//! elastickv offers these calls by RPC, the mutating ones only if the flag is set and a KEK is configured.
//! Here they are methods of [`Requests`], which only a node with both provides. A request proposes nothing:
//! the caller seals the entry ([`Proposals::seal`](super::Proposals::seal)) and appends it. Not here:
//! querying members for their epochs.

use super::applier::Keys;
use super::kek::new_dek;
use super::missing::has_keys;
use super::registry::{Registry, check_new_member};
use super::wire::{Bootstrap, Entry, MAX_BOOTSTRAP_ROWS, Registration, Rotation, Subtag};
use super::{Applier, Error, Purpose, Sidecar, epoch, guards};

/// A member's answer when it is asked whether it is ready for encryption.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its whole node id.
    pub full_node_id: u64,
    /// The epoch of its process, a number of 32 bits on the wire.
    pub local_epoch: u32,
}

/// The result of requesting a cut-over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cutover {
    /// The entry to propose.
    Propose(Entry),
    /// The cut-over already happened, at this index, which stays valid.
    Stands(u64),
}

/// The requests of a node that has keys, or may receive them.
#[derive(Debug)]
pub struct Requests<'a> {
    applier: &'a Applier,
    keys: &'a Keys,
}

impl Applier {
    /// The calls that change keys.
    ///
    /// # Errors
    /// [`Error::KekNotConfigured`] unless the node was started with the flag, a KEK and a sidecar path.
    pub fn requests(&self) -> Result<Requests<'_>, Error> {
        Ok(Requests { applier: self, keys: self.keys()? })
    }
}

impl Requests<'_> {
    /// The first keys of a cluster, 1 for storage and 2 for raft, both new, with a row for each member under
    /// each of them.
    ///
    /// # Errors
    /// [`Error::Request`] if there are keys already, or too many members; those of
    /// [`guards::check_node_ids`]; [`Error::RequestEpoch`]; those of [`new_dek`] and
    /// [`Kek::wrap`](super::Kek::wrap).
    pub fn bootstrap(&self, members: &[Member]) -> Result<Entry, Error> {
        const STORAGE: u32 = 1;
        const RAFT: u32 = 2;
        if has_keys(self.keys.sidecar.find()?.as_ref()) {
            return Err(Error::Request("the cluster is already bootstrapped: rotate its keys instead"));
        }
        if members.len() > MAX_BOOTSTRAP_ROWS / 2 {
            return Err(Error::Request("a bootstrap takes at most 8,192 members"));
        }
        guards::check_node_ids(&members.iter().map(|member| member.full_node_id).collect::<Vec<_>>())?;
        let mut rows = Vec::with_capacity(2 * members.len());
        for member in members {
            let (full_node_id, local_epoch) = (member.full_node_id, check_request_epoch(member.local_epoch)?);
            rows.extend([STORAGE, RAFT].map(|dek_id| Registration { dek_id, full_node_id, local_epoch }));
        }
        Ok(Entry::Bootstrap(Bootstrap {
            storage_id: STORAGE,
            wrapped_storage: self.new_key(Purpose::Storage, STORAGE)?,
            raft_id: RAFT,
            wrapped_raft: self.new_key(Purpose::Raft, RAFT)?,
            rows,
        }))
    }

    /// A new active key for that purpose, under the id after the highest in the sidecar.
    ///
    /// # Errors
    /// [`Error::Request`] before a bootstrap, or if all ids are used up; [`Error::RequestEpoch`] on the
    /// node's last epoch; those of [`new_dek`] and [`Kek::wrap`](super::Kek::wrap).
    pub fn rotate(&self, purpose: Purpose) -> Result<Entry, Error> {
        let sidecar = self.sidecar()?;
        let last = sidecar.entries().last().map_or(0, |(key_id, _)| *key_id);
        let dek_id = last.checked_add(1).ok_or(Error::Request("all key ids are used up"))?;
        let wrapped = self.new_key(purpose, dek_id)?;
        self.rotation(Subtag::Rotate, purpose, dek_id, wrapped)
    }

    /// The cut-over: this cluster's values, or its log entries, are sealed from that entry on.
    ///
    /// # Errors
    /// [`Error::Request`] before a bootstrap; [`Error::RequestEpoch`] on the node's last epoch.
    pub fn cut_over(&self, purpose: Purpose) -> Result<Cutover, Error> {
        let sidecar = self.sidecar()?;
        let (done, index, subtag) = match purpose {
            Purpose::Storage => (
                sidecar.storage_envelope_active,
                sidecar.storage_envelope_cutover_index,
                Subtag::EnableStorage,
            ),
            Purpose::Raft => {
                let index = sidecar.raft_envelope_cutover_index;
                (index != 0, index, Subtag::EnableRaft)
            }
        };
        if done {
            return Ok(Cutover::Stands(index));
        }
        self.rotation(subtag, purpose, sidecar.active(purpose), Vec::new()).map(Cutover::Propose)
    }

    /// This process's registration under the active key of that purpose. Propose it first thing after each
    /// start, and after each rotation. `None` if there is no active key (id 0): there is nothing to do.
    ///
    /// # Errors
    /// Those of [`SidecarFile::read`](super::SidecarFile::read).
    pub fn register(&self, purpose: Purpose) -> Result<Option<Entry>, Error> {
        let active = self.keys.sidecar.find()?.map_or(0, |sidecar| sidecar.active(purpose));
        let registration = || Entry::Registration(self.applier.identity().registration(purpose, active));
        Ok((active != 0).then(registration))
    }

    /// Checks that no other node has a new member's nonces. Call this before you propose its membership.
    ///
    /// # Errors
    /// Those of [`check_new_member`].
    pub fn check_new_member(&self, members: &[u64], new: u64) -> Result<(), Error> {
        check_new_member(Some(Registry(&*self.applier.store)), members, new)
    }

    fn sidecar(&self) -> Result<Sidecar, Error> {
        let sidecar = self.keys.sidecar.find()?.filter(|sidecar| has_keys(Some(sidecar)));
        sidecar.ok_or(Error::Request("no bootstrap has been applied yet"))
    }

    fn new_key(&self, purpose: Purpose, key_id: u32) -> Result<Vec<u8>, Error> {
        self.keys.kek.wrap(purpose, key_id, &*new_dek()?)
    }

    fn rotation(
        &self,
        subtag: Subtag,
        purpose: Purpose,
        dek_id: u32,
        wrapped: Vec<u8>,
    ) -> Result<Entry, Error> {
        let proposer = self.applier.identity().registration(purpose, dek_id);
        check_request_epoch(proposer.local_epoch.into())?;
        Ok(Entry::Rotation(Rotation { subtag, dek_id, purpose, wrapped, proposer }))
    }
}

/// Checks that a request's epoch is one after which its node can start again: 0 to 0xfffe.
///
/// # Errors
/// [`Error::RequestEpoch`].
pub fn check_request_epoch(local_epoch: u32) -> Result<u16, Error> {
    u16::try_from(local_epoch)
        .ok()
        .filter(|epoch| *epoch < epoch::LAST)
        .ok_or(Error::RequestEpoch(local_epoch))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::disk::{Memory, Recorder, Store};
    use crate::scheme::storage::Identity;
    use crate::scheme::storage::testing::{NODE, applier, bootstrap, rotation, sidecar_with};

    fn apply(applier: &mut Applier, index: u64, entry: &Entry) {
        assert!(applier.apply(index, &entry.encode()).unwrap());
    }

    fn at(disk: &Recorder, epoch: u16) -> Applier {
        applier(disk, Arc::<Memory>::default(), epoch)
    }

    #[test]
    fn a_cluster_is_bootstrapped_cut_over_and_rotated_by_requests_alone() {
        let mut node = at(&Recorder::with_dir("/data"), 0);
        let early = node.requests().unwrap().rotate(Purpose::Raft);
        assert!(matches!(early, Err(Error::Request("no bootstrap has been applied yet"))), "{early:?}");
        assert_eq!(node.requests().unwrap().register(Purpose::Storage).unwrap(), None, "under id 0");
        let members = [NODE, NODE + 1].map(|full_node_id| Member { full_node_id, local_epoch: 0 });
        let entry = node.requests().unwrap().bootstrap(&members).unwrap();
        apply(&mut node, 1, &entry);
        let twice = node.requests().unwrap().bootstrap(&members);
        assert!(matches!(twice, Err(Error::Request(why)) if why.contains("bootstrapped")), "{twice:?}");
        assert_eq!(Registry(&*node.store).writers(2).unwrap().len(), 2);
        for (index, purpose) in [(2, Purpose::Storage), (3, Purpose::Raft)] {
            let Cutover::Propose(entry) = node.requests().unwrap().cut_over(purpose).unwrap() else {
                panic!()
            };
            apply(&mut node, index, &entry);
            assert_eq!(node.requests().unwrap().cut_over(purpose).unwrap(), Cutover::Stands(index));
        }
        for (index, purpose, key_id) in [(4, Purpose::Storage, 3), (5, Purpose::Raft, 4)] {
            let entry = node.requests().unwrap().rotate(purpose).unwrap();
            apply(&mut node, index, &entry);
            let registration = node.requests().unwrap().register(purpose).unwrap().unwrap();
            assert_eq!(registration, Entry::Registration(node.identity().registration(purpose, key_id)));
        }
        assert_eq!(node.requests().unwrap().cut_over(Purpose::Raft).unwrap(), Cutover::Stands(3));
    }

    #[test]
    fn an_epoch_after_which_a_node_cannot_start_again_is_refused() {
        assert_eq!(check_request_epoch(0xfffe).unwrap(), 0xfffe);
        for epoch in [0xffff, 0x1_0000, u32::MAX] {
            assert!(matches!(check_request_epoch(epoch), Err(Error::RequestEpoch(of)) if of == epoch));
        }
        let new = at(&Recorder::with_dir("/data"), 0);
        let refused =
            new.requests().unwrap().bootstrap(&[Member { full_node_id: NODE, local_epoch: 0xffff }]);
        assert!(matches!(refused, Err(Error::RequestEpoch(0xffff))), "{refused:?}");
        let last = at(&sidecar_with(|_| {}).0, 0xffff);
        let refused = last.requests().unwrap().rotate(Purpose::Storage);
        assert!(matches!(refused, Err(Error::RequestEpoch(0xffff))), "{refused:?}");
    }

    #[test]
    fn a_node_without_flag_and_kek_offers_no_request_and_halts_on_every_key_change() {
        let identity = Identity { full_node_id: NODE, storage_epoch: 0, raft_epoch: 0 };
        let store = Arc::<Memory>::default() as Arc<dyn Store>;
        let mut without = Applier::new(None, store, identity).unwrap();
        assert!(matches!(without.requests(), Err(Error::KekNotConfigured)));
        for entry in [bootstrap(), rotation(Subtag::Rotate, Purpose::Raft, 3, 0)] {
            let halt = without.apply(1, &entry.encode()).unwrap_err();
            assert!(matches!(halt.cause, Error::KekNotConfigured), "{halt}");
        }
    }

    #[test]
    fn a_member_whose_16_bits_are_taken_is_refused_before_its_membership_is_proposed() {
        let node = at(&sidecar_with(|_| {}).0, 0);
        let twin = NODE ^ 1 << 63;
        let check = |members: &[u64], new| node.requests().unwrap().check_new_member(members, new);
        check(&[NODE], NODE + 1).unwrap();
        check(&[NODE], NODE).unwrap();
        let refused = check(&[NODE + 1, NODE], twin).unwrap_err();
        assert_eq!(refused.spec_name(), "ErrWriterUint16Collision");
        assert!(
            matches!(refused, Error::WriterUint16Collision { new, other } if (new, other) == (twin, NODE))
        );
        // A member that left long ago wrote under a key that is still read.
        Registry(&*node.store)
            .register(&Registration { dek_id: 9, full_node_id: twin, local_epoch: 0 })
            .unwrap();
        let refused = check(&[NODE + 1], NODE).unwrap_err();
        assert!(matches!(refused, Error::WriterUint16Collision { other, .. } if other == twin), "{refused}");
    }
}
