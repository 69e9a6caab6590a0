//! The network between the members: calls within this process, unless one of the two is cut off.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::error::{InstallSnapshotError, RPCError, RaftError, RemoteError, Unreachable};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use openraft::{BasicNode, Raft};

use crate::Types;

#[derive(Clone, Default)]
pub struct Net {
    pub members: Arc<Mutex<HashMap<u64, Raft<Types>>>>,
    pub cut_off: Arc<Mutex<HashSet<u64>>>,
}

/// The network as one member sees it.
pub struct From(pub u64, pub Net);

pub struct Link {
    from: u64,
    to: u64,
    net: Net,
}

type CallError<E> = RPCError<u64, BasicNode, E>;

impl Link {
    fn reach<E: std::error::Error>(&self) -> Result<Raft<Types>, CallError<E>> {
        let cut_off = self.net.cut_off.lock().unwrap();
        let member = self.net.members.lock().unwrap().get(&self.to).cloned();
        match member.filter(|_| !cut_off.contains(&self.from) && !cut_off.contains(&self.to)) {
            Some(member) => Ok(member),
            None => Err(RPCError::Unreachable(Unreachable::new(&io::Error::other("cut off")))),
        }
    }
}

impl RaftNetworkFactory<Types> for From {
    type Network = Link;

    async fn new_client(&mut self, to: u64, _: &BasicNode) -> Link {
        Link { from: self.0, to, net: self.1.clone() }
    }
}

impl RaftNetwork<Types> for Link {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, CallError<RaftError<u64>>> {
        let answer = self.reach()?.append_entries(rpc).await;
        answer.map_err(|error| RPCError::RemoteError(RemoteError::new(self.to, error)))
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<Types>,
        _: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, CallError<RaftError<u64, InstallSnapshotError>>> {
        let answer = self.reach()?.install_snapshot(rpc).await;
        answer.map_err(|error| RPCError::RemoteError(RemoteError::new(self.to, error)))
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<u64>,
        _: RPCOption,
    ) -> Result<VoteResponse<u64>, CallError<RaftError<u64>>> {
        let answer = self.reach()?.vote(rpc).await;
        answer.map_err(|error| RPCError::RemoteError(RemoteError::new(self.to, error)))
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(Duration::from_millis(20)))
    }
}
