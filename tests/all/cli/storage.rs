//! `sealmark storage`: nodes that are probed and resynced.

use std::fs;
use std::path::Path;

use super::{errors, json, path, sealmark};

/// A data folder of a node that was bootstrapped with two members, and its parts.
#[cfg(feature = "redb")]
mod data_folder {
    use std::path::Path;
    use std::sync::Arc;

    use sealmark::disk::{Disk, Os, Redb};
    use sealmark::engine;
    use sealmark::envelope::nonce::full_node_id;
    use sealmark::scheme::storage::request::Member;
    use sealmark::scheme::storage::{Error, Loaded, LocalKek, SidecarFile, Start, load};

    pub const KEK: [u8; 32] = [3; 32];

    pub fn start(folder: &Path, raft_id: &str) -> Result<Loaded, Error> {
        load(Start {
            encryption_enabled: true,
            kek: Some(Arc::new(LocalKek::new(&KEK).expect("every CPU can make a key"))),
            sidecar: Some(Arc::new(SidecarFile::new(
                Arc::new(Os) as Arc<dyn Disk>,
                folder.join("keys.json"),
            ))),
            store: Arc::new(Redb::open(&Os, &folder.join("registry")).expect("nobody holds it")),
            engine: engine::find("sealmark").expect("our own engine is always there"),
            full_node_id: full_node_id(raft_id),
            peers: Vec::new(),
            snapshot_cutover: 0,
        })
    }

    pub fn bootstrap(folder: &Path, raft_id: &str, members: &[&str]) {
        let mut node =
            start(folder, raft_id).and_then(|loaded| loaded.ready(0, None)).expect("a new node starts");
        let member = |id: &&str| Member { full_node_id: full_node_id(id), local_epoch: 0 };
        let members: Vec<_> = members.iter().map(member).collect();
        let requests = node.applier.requests().expect("it has a KEK");
        let entry = requests.bootstrap(&members).expect("there are no keys yet");
        node.applier.apply(1, &entry.encode()).expect("nothing halts it");
    }
}

#[test]
#[cfg(all(feature = "redb", unix))]
fn a_node_that_lost_its_sidecar_is_resynced_from_a_leader_and_starts() {
    use std::os::unix::fs::PermissionsExt;

    use data_folder::{KEK, bootstrap, start};
    use sealmark::scheme::storage::{Error, Sign};

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("leader")).unwrap();
    bootstrap(&at("leader"), "node-1", &["node-1", "node-2"]);
    // The registry is replicated. The sidecar belongs to one node, and this node's is gone.
    fs::create_dir(at("node")).unwrap();
    fs::copy(at("leader/registry"), at("node/registry")).unwrap();
    let lost = start(&at("node"), "node-2").unwrap_err();
    assert!(matches!(lost, Error::SidecarMissing(Sign::OwnRow(1))), "{lost}");
    assert!(lost.to_string().contains("resync"), "{lost}");

    fs::write(at("kek"), KEK).unwrap();
    fs::set_permissions(at("kek"), PermissionsExt::from_mode(0o600)).unwrap();
    let (node, leader, kek) = (at("node"), at("leader"), at("kek"));
    let resync = |leader: &Path, raft_id: &str, more: &[&str]| {
        let fixed = ["storage", "resync", path(&node), "--leader", path(leader), "--raft-id", raft_id];
        sealmark(&[&fixed[..], more].concat())
    };
    let given = ["--kek-file", path(&kek), "--format", "json"];
    for (output, reason) in [
        (resync(&leader, "node-2", &[]), "ELASTICKV_KEK_BASE64"),
        (resync(&at("nowhere"), "node-2", &given), "reading the leader's sidecar"),
        (resync(&at("node"), "node-2", &given), "keys.json"),
    ] {
        assert_eq!(output.status.code(), Some(2));
        assert!(errors(&output).contains(reason), "{}", errors(&output));
        assert!(!at("node/keys.json").exists());
    }
    let output = resync(&leader, "node-2", &given);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let report = json(&output);
    assert_eq!((&report["schema"], &report["raft_applied_index"]), (&"sealmark.resync/1".into(), &1.into()));
    let keys = serde_json::json!([{"dek_id": 1, "local_epoch": 1}, {"dek_id": 2, "local_epoch": 1}]);
    assert_eq!(report["keys"], keys, "above the epoch 0 that the registry knows");
    let identity = start(&at("node"), "node-2").unwrap().applier.identity();
    assert_eq!((identity.storage_epoch, identity.raft_epoch), (2, 2));
}

#[test]
fn a_raft_id_is_probed_for_its_node_id_and_for_whom_it_collides_with() {
    use sealmark::envelope::nonce::{full_node_id, node_id16};
    let slot = |name: &str| node_id16(full_node_id(name));
    let twin =
        (0..).map(|i| format!("node-{i}")).find(|name| name != "a" && slot(name) == slot("a")).unwrap();
    let probe = |arguments: &[&str]| {
        let output =
            sealmark(&[&["storage", "probe-node-id", "a", "--format", "json"][..], arguments].concat());
        (output.status.code(), json(&output))
    };
    let (code, free) = probe(&["--member", "a", "--member", "b"]);
    assert_eq!((code, &free["collisions"]), (Some(0), &serde_json::json!([])));
    assert_eq!(free["node_id"], u64::from(slot("a")));
    assert_eq!(free["full_node_id"], format!("{:#018x}", full_node_id("a")));
    let (code, taken) = probe(&["--member", &twin]);
    assert_eq!((code, &taken["collisions"][0]["raft_id"]), (Some(1), &twin.as_str().into()));

    #[cfg(feature = "redb")]
    {
        let folder = tempfile::tempdir().unwrap();
        let without = sealmark(&["storage", "probe-node-id", "a", "--data", path(folder.path())]);
        assert_eq!(without.status.code(), Some(2));
        assert!(errors(&without).contains("has no registry"), "{}", errors(&without));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nor is one begun");
        data_folder::bootstrap(folder.path(), "b", &["b", &twin]);
        let (code, left) = probe(&["--member", "b", "--data", path(folder.path())]);
        assert_eq!((code, &left["collisions"][0]["dek_id"]), (Some(1), &1.into()));
    }
}
