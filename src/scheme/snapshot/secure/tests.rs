//! Both profiles over real sockets: the same results, recorded side by side, and what only TLS sees.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::super::chunk::ChunkCipher;
use super::super::testing::{self, material};
use super::super::{
    Config, Context, Format, Limits, MemorySink, Mode, Plain, Sender, Server as Receiver, StaticSource,
    StreamKey, hardened, send,
};
use super::*;
use crate::envelope::SecretKey;
use crate::primitive::tls::certificates::Certificates;

/// The transports of both ends: of the sender and of the receiver.
type Ends = (Arc<dyn Transport>, Arc<dyn Transport>);

fn both_profiles(made: &Certificates) -> [Ends; 2] {
    let plain: Arc<dyn Transport> = Arc::new(Plain);
    let own = Files { cert: Some(made.path("server.pem")), key: Some(made.path("server.key")), ca: None };
    let trusts = Files { ca: Some(made.path("ca.pem")), ..Files::default() };
    [(Arc::clone(&plain), plain), (Secure::sender(&trusts).unwrap(), Secure::receiver(&own).unwrap())]
}

fn key() -> StreamKey {
    let mut key = SecretKey::default();
    key.fill(1);
    StreamKey::new(crate::engine::find("sealmark").unwrap(), key)
}

/// What a sender does: sends a snapshot, or writes bytes of its own making.
enum Act {
    Send(Vec<u8>, bool),
    Write(Vec<u8>),
}

/// A stream of the compatible format.
fn compatible(text: &[u8], cipher: Option<&ChunkCipher>) -> Vec<u8> {
    let mut wire = Vec::new();
    send::write(&mut wire, text, cipher, 16, 64).unwrap();
    wire
}

/// Every scenario: its name, the receiver's mode, and what the sender does.
fn scenarios() -> Vec<(String, Mode, Act)> {
    let cipher = ChunkCipher::new(&material());
    let text: Vec<u8> = (0..100_000_u32).map(|i| (i / 7) as u8).collect();
    let sealed = compatible(&text, Some(&cipher));
    let mut list = Vec::new();
    for mode in Mode::ALL {
        for (name, text) in [("whole", text.clone()), ("empty", Vec::new())] {
            list.push((format!("{name} to {}", mode.name()), mode, Act::Send(text, true)));
        }
    }
    for mode in [Mode::Compat, Mode::Safe] {
        list.push((format!("plaintext to {}", mode.name()), mode, Act::Send(text.clone(), false)));
        let end = sealed.len() - 1;
        let mut flipped = sealed.clone();
        flipped[end - 16] ^= 0x80;
        let mut oversized = sealed.clone();
        oversized[36..40].copy_from_slice(&0x7fff_ffff_u32.to_be_bytes());
        let mut magic = sealed.clone();
        magic[..4].copy_from_slice(&64_640_001_u32.to_be_bytes());
        for (name, wire) in [
            ("cut short", sealed[..end].to_vec()),
            ("cut between chunks", sealed[..36].to_vec()),
            ("followed by a byte", [&sealed[..], &[0]].concat()),
            ("flipped", flipped),
            ("oversized", oversized),
            ("the decimal magic", magic),
            ("nothing", Vec::new()),
        ] {
            list.push((format!("{name} to {}", mode.name()), mode, Act::Write(wire)));
        }
    }
    let mut wire = Vec::new();
    hardened::send(&mut wire, &mut &text[..], &key(), &Context::new(b"")).unwrap();
    let end = wire.len() - 1;
    let mut flipped = wire.clone();
    flipped[end] ^= 1;
    for (name, wire) in
        [("cut short", wire[..end].to_vec()), ("flipped", flipped), ("compatible", sealed.clone())]
    {
        list.push((format!("{name} to hardened"), Mode::Hardened, Act::Write(wire)));
    }
    list
}

/// What came out: the sender's length or kind of error, the receiver's, and the sink's content.
type Outcome = (String, Result<u64, &'static str>, Result<u64, String>, Vec<u8>);

fn play(ends: &Ends, files: &testing::Files, name: String, mode: Mode, act: &Act) -> Outcome {
    let limits = Limits { idle: Duration::from_secs(20), ..Limits::default() };
    let format = |config: &Config| match Format::of(mode, config) {
        Ok(format) => format,
        Err(_) => Format::Hardened(Arc::new(key()), Context::new(b"")),
    };
    let config = files.config();
    let sink = Arc::new(MemorySink::holding("old"));
    let receiver = Receiver::bind(&config, format(&config), limits, Arc::clone(&sink) as _).unwrap();
    let receiver = receiver.over(Arc::clone(&ends.1));
    let address = receiver.local_addr().unwrap();
    let (sent, received) = std::thread::scope(|scope| {
        let served = scope.spawn(|| receiver.accept_one());
        let sent = match act {
            Act::Send(text, encrypt) => {
                let config = Config { encrypt: *encrypt, ..config.clone() };
                let sender = Sender::new(config.clone(), format(&config)).over(Arc::clone(&ends.0));
                let sent =
                    sender.within(limits).send_to(&StaticSource::new(text.clone()), "localhost", address);
                sent.map_err(|error| error.spec_name())
            }
            Act::Write(wire) => {
                let tcp = Timed::new(TcpStream::connect(address).unwrap(), Some(&limits)).unwrap();
                let mut stream = ends.0.connect(tcp, "localhost").unwrap();
                // A receiver that refuses early closes before it has read everything: how much of it the
                // system took is left to chance, on either transport.
                let _ = stream.write_all(wire).and_then(|()| stream.finish());
                Ok(0)
            }
        };
        (sent, served.join().unwrap().map_err(|error| error.to_string()))
    });
    (name, sent, received, sink.content())
}

#[test]
fn both_profiles_give_identical_results() {
    let (made, files) = (Certificates::new(), testing::Files::new());
    let [dev, secure] = both_profiles(&made).map(|ends| {
        let played = scenarios().into_iter().map(|(name, mode, act)| {
            let (sent, received) = (matches!(act, Act::Send(..)), name.clone());
            let outcome = play(&ends, &files, name, mode, &act);
            // A plaintext stream to `safe` is refused at its header, and its sender may notice or not.
            match sent && received != "plaintext to safe" {
                true => outcome,
                false => (outcome.0, Ok(0), outcome.2, outcome.3),
            }
        });
        played.collect::<Vec<Outcome>>()
    });
    assert_eq!(dev, secure);
    let taken = dev.iter().filter(|outcome| outcome.2.is_ok()).count();
    // Whole and empty in each of the four modes, and plaintext in `compat`.
    assert_eq!((taken, dev.len()), (9, 27), "{dev:?}");
    assert!(dev.iter().all(|(.., received, content)| received.is_ok() || content == b"old"), "{dev:?}");
}

/// Over TCP alone, whoever cuts the connection after the last chunk is not noticed; nor need be. Before it,
/// the cut shows as a missing part. Over TLS any cut shows, also in a mode that has no end mark of its own.
#[test]
fn a_cut_connection_is_an_unexpected_end_in_every_mode() {
    let (made, files) = (Certificates::new(), testing::Files::new());
    let [_, (near, far)] = both_profiles(&made);
    let wire = compatible(b"snapshot", Some(&ChunkCipher::new(&material())));
    for mode in [Mode::Compat, Mode::Safe] {
        let config = files.config();
        let sink = Arc::new(MemorySink::holding("old"));
        let format = Format::of(mode, &config).unwrap();
        let limits = Limits::default();
        let receiver = Receiver::bind(&config, format, limits, Arc::clone(&sink) as _).unwrap();
        let receiver = receiver.over(Arc::clone(&far));
        std::thread::scope(|scope| {
            let served = scope.spawn(|| receiver.accept_one());
            let tcp = TcpStream::connect(receiver.local_addr().unwrap()).unwrap();
            let raw = tcp.try_clone().unwrap();
            let mut stream = near.connect(Timed::new(tcp, None).unwrap(), "localhost").unwrap();
            stream.write_all(&wire).unwrap();
            raw.shutdown(Shutdown::Write).unwrap();
            let refused = served.join().unwrap().unwrap_err();
            assert!(refused.to_string().contains("ended inside its transport"), "{}: {refused}", mode.name());
        });
        assert_eq!(sink.content(), b"old");
    }
}

#[test]
fn a_sender_without_a_certificate_learns_that_it_was_refused() {
    let (made, files) = (Certificates::new(), testing::Files::new());
    let ca = Some(made.path("ca.pem"));
    let own =
        Files { cert: Some(made.path("server.pem")), key: Some(made.path("server.key")), ca: ca.clone() };
    let config = files.config();
    let format = Format::of(Mode::Safe, &config).unwrap();
    let sink = Arc::new(MemorySink::holding("old"));
    let receiver =
        Receiver::bind(&config, format.clone(), Limits::default(), Arc::clone(&sink) as _).unwrap();
    let receiver = receiver.over(Secure::receiver(&own).unwrap());
    let address = receiver.local_addr().unwrap();
    let certified =
        Files { cert: Some(made.path("client.pem")), key: Some(made.path("client.key")), ca: ca.clone() };
    let stranger = Files { ca, ..Files::default() };
    for (files, taken) in [(stranger, false), (certified, true)] {
        let sender = Sender::new(config.clone(), format.clone()).over(Secure::sender(&files).unwrap());
        std::thread::scope(|scope| {
            let served = scope.spawn(|| receiver.accept_one());
            let sent = sender.send_to(&StaticSource::new(*b"snapshot"), "localhost", address);
            assert_eq!((sent.is_ok(), served.join().unwrap().is_ok()), (taken, taken), "{sent:?}");
            assert!(taken || sent.unwrap_err().to_string().contains("received fatal alert"));
        });
    }
    assert_eq!((sink.content(), sink.committed()), (b"snapshot".to_vec(), 1));
}

#[test]
fn a_transport_of_one_end_does_not_serve_as_the_other() {
    let made = Certificates::new();
    let [_, (near, far)] = both_profiles(&made);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dial = || Timed::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap(), None).unwrap();
    assert_eq!(near.accept(dial()).err().unwrap().kind(), io::ErrorKind::Unsupported);
    assert_eq!(far.connect(dial(), "localhost").err().unwrap().kind(), io::ErrorKind::Unsupported);
    assert_eq!((near.name(), Plain.name()), ("secure", "plain"));
}
