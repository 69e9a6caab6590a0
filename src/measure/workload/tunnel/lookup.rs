//! `frame/lookup` and `peers/lookup/N`: finding the session of a peer through a link to it, as `seal/frame`
//! and `open/frame` do, and by its id among N, as `seal/peers` and `open/peers` do.
//!
//! Each operation stores the address of the session with its own peer; a reset stores no address.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::fixture::{End, PEER, PEERS};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::kind::{Kind, Scope, Size, Subject};
use crate::scheme::tunnel::Mode;
use crate::scheme::tunnel::session::Session;
use crate::scheme::tunnel::session::store::Found;
use crate::timing::Timed;

/// Finds a session.
pub(super) struct Lookup {
    /// `frame`, through links to a hundred peers; or `peers`, by id among as many as the workload says.
    pub of: &'static str,
}

impl Kind for Lookup {
    fn name(&self) -> &'static str {
        "lookup"
    }

    fn subject(&self) -> Subject {
        Subject::Part(self.of)
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(match workload.items {
            0 => Lookups::through_links(engine, PEERS, count)?,
            peers => Lookups::by_id(engine, peers, count)?,
        }))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }

    fn size(&self) -> Size {
        Size::Items
    }

    /// Every session of a large store, so that lookups meet cold ones too.
    fn default_count(&self, workload: &Workload) -> usize {
        (workload.items as usize).max(512)
    }
}

/// Lookups in one store.
struct Lookups {
    end: Arc<End>,
    peers: Vec<u32>,
    /// What a link to each of the peers has found; nothing where lookups are by id.
    links: Vec<Found>,
    /// The address of each session that was found; 0 for none.
    found: Vec<usize>,
}

/// The address of a session, which distinguishes it from every other of the store.
fn address(session: &Arc<Session>) -> usize {
    Arc::as_ptr(session).addr()
}

impl Lookups {
    /// `count` lookups among the sessions of `peers` peers, in random order.
    fn by_id(engine: &'static dyn Engine, peers: u32, count: usize) -> Result<Self, Error> {
        let end = End::of_peers(Mode::Safe, engine, 0, peers)?;
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let peers = (0..count).map(|_| PEER + rng.next_u32() % peers).collect();
        Ok(Self { end, peers, links: Vec::new(), found: vec![0; count] })
    }

    /// The same through links, which have looked once.
    fn through_links(engine: &'static dyn Engine, peers: u32, count: usize) -> Result<Self, Error> {
        let mut lookups = Self::by_id(engine, peers, count)?;
        lookups.links = lookups.peers.iter().map(|&peer| Found::new(peer)).collect();
        lookups.run();
        lookups.reset();
        Ok(lookups)
    }
}

impl Timed for Lookups {
    fn reset(&mut self) {
        self.found.fill(0);
    }

    fn run(&mut self) {
        let store = self.end.node.store();
        if self.links.is_empty() {
            for (&peer, found) in self.peers.iter().zip(&mut self.found) {
                *found = black_box(store).get(black_box(peer)).as_ref().map_or(0, address);
            }
        }
        for (link, found) in self.links.iter_mut().zip(&mut self.found) {
            *found = black_box(link).look(black_box(store)).map_or(0, |openers| address(&openers.current));
        }
        black_box(&self.found);
    }

    fn count(&self) -> u64 {
        self.peers.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        let mut right = BTreeMap::new();
        self.end.node.store().for_each(|peer, session| {
            right.insert(peer, address(session));
        });
        for (i, (peer, found)) in self.peers.iter().zip(&self.found).enumerate() {
            if right.get(peer) != Some(found) {
                return Err(format!("lookup {i} did not find the session of peer {peer}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::testing::{pass, removed};

    type Make = fn(&'static dyn Engine, u32, usize) -> Result<Lookups, Error>;

    const WAYS: [Make; 2] = [Lookups::by_id, Lookups::through_links];

    #[test]
    fn lookups_are_counted_and_right() {
        for (make, peers) in WAYS.into_iter().flat_map(|make| [1, 100, 1000].map(|peers| (make, peers))) {
            let mut lookups = make(find("sealmark").unwrap(), peers, 10).unwrap();
            assert_eq!(lookups.count(), 10);
            assert_eq!(lookups.end.node.store().len(), peers as usize);
            assert!(lookups.check().is_err_and(|why| why.contains("lookup 0 did not find")), "not run yet");
            assert_eq!((pass(&mut lookups), pass(&mut lookups)), (Ok(()), Ok(())));
        }
    }

    #[test]
    fn removed_work_shows_in_what_is_left() {
        for make in WAYS {
            let mut lookups = make(find("sealmark").unwrap(), 100, 4).unwrap();
            assert_eq!(pass(&mut lookups), Ok(()));
            for left in removed(&lookups.found.clone(), &0) {
                lookups.found = left;
                let judged = lookups.check();
                assert!(judged.is_err_and(|why| why.contains("did not find")), "{:?}", lookups.found);
            }
        }
    }
}
