//! Both ends over TCP on this machine: what arrives, what is refused, and who waits for whom.

use std::io::{self, Read, Write};
use std::sync::mpsc;

use super::super::sink::MemorySink;
use super::super::testing::Files;
use super::super::{Mode, Sender, StaticSource};
use super::*;

fn bound(files: &Files, mode: Mode, limits: Limits) -> (Server, Arc<MemorySink>, Config) {
    let config = files.config();
    let sink = Arc::new(MemorySink::holding("old"));
    let format = Format::of(mode, &config).unwrap();
    let server = Server::bind(&config, format, limits, Arc::clone(&sink) as _).unwrap();
    let config = Config { peer_endpoint: server.local_addr().unwrap().to_string(), ..config };
    (server, sink, config)
}

fn sender(config: &Config) -> Sender {
    Sender::new(config.clone(), Format::of(Mode::Safe, config).unwrap())
}

fn limits(idle_ms: u64, connections: usize) -> Limits {
    Limits { idle: Duration::from_millis(idle_ms), connections, ..Limits::default() }
}

/// Upstream's test: a snapshot there and back, plain, encrypted and empty.
#[test]
fn a_snapshot_arrives_in_both_modes_plain_encrypted_and_empty() {
    let files = Files::new();
    for mode in [Mode::Compat, Mode::Safe] {
        for (snapshot, encrypt) in [(&b"snapshot"[..], true), (b"snapshot", false), (b"", true)] {
            let config = Config { encrypt, ..files.config() };
            let sink = Arc::new(MemorySink::holding("old"));
            let format = Format::of(mode, &config).unwrap();
            let server = Server::bind(&config, format, Limits::default(), Arc::clone(&sink) as _).unwrap();
            let peer_endpoint = server.local_addr().unwrap().to_string();
            let config = Config { peer_endpoint, ..config };
            std::thread::scope(|scope| {
                let sent = scope.spawn(|| sender(&config).send(&StaticSource::new(snapshot)));
                assert_eq!(server.accept_one().unwrap(), snapshot.len() as u64);
                assert_eq!(sent.join().unwrap().unwrap(), snapshot.len() as u64);
            });
            assert_eq!((sink.content(), sink.committed()), (snapshot.to_vec(), 1));
        }
    }
}

#[test]
fn a_bad_configuration_or_key_file_is_found_at_bind() {
    let files = Files::new();
    let bind = |config: Config| {
        let format = Format::of(Mode::Compat, &config).unwrap();
        Server::bind(&config, format, Limits::default(), Arc::new(MemorySink::default()))
    };
    let refused = |config| bind(config).unwrap_err().spec_name();
    assert_eq!(refused(Config { buffer_size: 0, ..files.config() }), "Config", "upstream's test");
    assert_eq!(refused(Config { iv_file: "/nowhere".into(), ..files.config() }), "Io");
    assert!(bind(Config { iv_file: "/nowhere".into(), encrypt: false, ..files.config() }).is_ok());
    let none = limits(1, 0);
    let format = Format::of(Mode::Safe, &files.config()).unwrap();
    let refused = Server::bind(&files.config(), format, none, Arc::new(MemorySink::default()));
    assert!(refused.unwrap_err().to_string().contains("connections is 0"));
}

/// Upstream's test: the accept loop goes on after a refusal, and ends when it is told to.
#[test]
fn the_loop_survives_refusals_and_stops() {
    let files = Files::new();
    for mode in [Mode::Compat, Mode::Safe] {
        let (server, sink, config) = bound(&files, mode, Limits::default());
        let results = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let (done, ended) = mpsc::channel();
            let (server, results) = (&server, &results);
            scope.spawn(move || {
                server.run(&|peer, result| {
                    assert!(peer.is_some());
                    let kind = result.as_ref().map(|len| *len).map_err(Error::spec_name);
                    results.lock().unwrap().push(kind);
                    done.send(()).unwrap();
                });
            });
            for send in [0, 1, 2] {
                match send {
                    1 => drop(sender(&config).send(&StaticSource::new(*b"snapshot")).unwrap()),
                    _ => {
                        let mut tcp = TcpStream::connect(&config.peer_endpoint).unwrap();
                        tcp.write_all(&[0xde; 20]).unwrap();
                    }
                }
                ended.recv().unwrap();
            }
            server.stop();
        });
        assert_eq!(*results.lock().unwrap(), [Err("Protocol"), Ok(8), Err("Protocol")]);
        assert_eq!((sink.content(), sink.committed()), (b"snapshot".to_vec(), 1));
    }
}

/// A slow-loris: in mode `safe` it holds up nobody. In mode `compat` it blocks everybody.
#[test]
fn a_silent_client_blocks_the_others_in_compat_only() {
    let files = Files::new();
    for (mode, blocked) in [(Mode::Compat, true), (Mode::Safe, false)] {
        let (server, sink, config) = bound(&files, mode, limits(60_000, 4));
        std::thread::scope(|scope| {
            let (done, ended) = mpsc::channel();
            let server = &server;
            // At the end nobody listens to the silent ones any more.
            scope.spawn(move || server.run(&|_, result| done.send(result.is_ok()).unwrap_or(())));
            let silent = TcpStream::connect(&config.peer_endpoint).unwrap();
            sender(&config).send(&StaticSource::new(*b"snapshot")).unwrap();
            if blocked {
                assert!(ended.recv_timeout(Duration::from_millis(200)).is_err(), "it waits in line");
            } else {
                assert!(ended.recv().unwrap(), "it is served beside the silent one");
                assert_eq!(sink.content(), b"snapshot");
            }
            drop(silent);
            server.stop();
            assert!(!blocked || !ended.recv().unwrap(), "the silent one ends first");
        });
    }
}

#[test]
fn a_client_that_stops_in_the_middle_is_given_up_after_the_idle_time() {
    let files = Files::new();
    let (server, sink, config) = bound(&files, Mode::Safe, limits(30, 4));
    let mut tcp = TcpStream::connect(&config.peer_endpoint).unwrap();
    tcp.write_all(&[0x64]).unwrap();
    let refused = server.accept_one().unwrap_err();
    assert!(refused.to_string().contains("the peer is silent"), "{refused}");
    assert_eq!(sink.committed(), 0);
}

#[test]
fn more_connections_than_the_bound_wait_for_a_free_place() {
    let files = Files::new();
    let (server, _, config) = bound(&files, Mode::Safe, limits(60_000, 2));
    std::thread::scope(|scope| {
        let (done, ended) = mpsc::channel();
        let server = &server;
        // At the end nobody listens to the silent ones any more.
        scope.spawn(move || server.run(&|_, result| done.send(result.is_ok()).unwrap_or(())));
        let silent = [(); 2].map(|()| TcpStream::connect(&config.peer_endpoint).unwrap());
        sender(&config).send(&StaticSource::new(*b"third")).unwrap();
        assert!(ended.recv_timeout(Duration::from_millis(200)).is_err(), "both places are taken");
        let [first, second] = silent;
        drop(first);
        let mut seen = [ended.recv().unwrap(), ended.recv().unwrap()];
        seen.sort_unstable();
        assert_eq!(seen, [false, true], "the silent one ended, and the third was served");
        drop(second);
        server.stop();
    });
}

/// The connection ends before the sink is asked, and in the same way after a refusal.
#[test]
fn in_mode_safe_the_connection_closes_before_the_sink_is_asked() {
    struct Waits(Mutex<mpsc::Receiver<()>>);
    impl Sink for Waits {
        fn begin(&self) -> Result<Box<dyn super::super::Transfer + '_>, super::super::BoxError> {
            self.0.lock().unwrap().recv()?;
            Err("full".into())
        }
    }
    let files = Files::new();
    let (go, wait) = mpsc::channel();
    let config = files.config();
    let format = Format::of(Mode::Safe, &config).unwrap();
    let sink = Arc::new(Waits(Mutex::new(wait)));
    let server = Server::bind(&config, format, Limits::default(), sink).unwrap();
    let mut wire = Vec::new();
    let cipher = super::super::chunk::ChunkCipher::new(&super::super::testing::material());
    super::super::send::write(&mut wire, b"snapshot", Some(&cipher), 16, 64).unwrap();
    std::thread::scope(|scope| {
        let served = scope.spawn(|| server.accept_one());
        let mut tcp = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        tcp.write_all(&wire).unwrap();
        tcp.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(tcp.read(&mut [0]).unwrap(), 0, "closed, while the sink still waits");
        go.send(()).unwrap();
        assert_eq!(served.join().unwrap().unwrap_err().to_string(), "entropy sink: full");
    });
}

/// The hardened stream over TCP: whole, and cut off by a sender that dies.
#[test]
fn a_hardened_stream_arrives_whole_or_leaves_the_sink_untouched() {
    let config = Files::new().config();
    let key = crate::envelope::SecretKey::random().unwrap();
    let key = hardened::StreamKey::new(crate::engine::find("sealmark").unwrap(), key);
    let format = Format::Hardened(Arc::new(key), hardened::Context::new(b"test"));
    let sink = Arc::new(MemorySink::holding("old"));
    let server = Server::bind(&config, format.clone(), limits(5_000, 2), Arc::clone(&sink) as _).unwrap();
    let address = server.local_addr().unwrap();
    let sender = Sender::new(config, format).within(limits(5_000, 2));
    let snapshot = vec![7; 100_000];
    std::thread::scope(|scope| {
        let served = scope.spawn(|| server.accept_one());
        let sent = sender.send_to(&StaticSource::new(snapshot.clone()), "here", address);
        assert_eq!((sent.unwrap(), served.join().unwrap().unwrap()), (100_000, 100_000));
    });
    assert_eq!((sink.content() == snapshot, sink.committed()), (true, 1));
    // A source that fails in the middle: the connection ends without the last chunk.
    let broken = super::super::Once::new(
        io::Cursor::new(vec![8; 50_000])
            .chain(super::super::testing::Trickle(b"", Some(io::ErrorKind::Other))),
    );
    std::thread::scope(|scope| {
        let served = scope.spawn(|| server.accept_one());
        assert_eq!(sender.send_to(&broken, "here", address).unwrap_err().spec_name(), "Source");
        assert_eq!(served.join().unwrap().unwrap_err().spec_name(), "Io");
    });
    assert_eq!((sink.content() == snapshot, sink.committed()), (true, 1));
}
