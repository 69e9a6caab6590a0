//! `sealmark tunnel relay`: a bad network between two peers, on UDP, with seeded faults.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::{ExitStatus, Format, STOP, install_ctrlc_handler};
use super::socket::{IDLE, MAX_DATAGRAM, bind, is_of_icmp};

/// The name and version of the JSON that `relay` prints.
pub(crate) const SCHEMA: &str = "sealmark.tunnel-relay/1";

/// How many senders are served at a time; a new one takes the place of the oldest.
const MAX_CLIENTS: usize = 64;
/// How many datagrams wait at a time. Further ones are dropped.
const MAX_WAITING: usize = 4_096;
/// The longest delay of a datagram that is overtaken.
const OVERTAKEN: Duration = Duration::from_millis(40);
/// The longest delay of a second copy: long enough to arrive after a restart of its receiver.
const COPY: Duration = Duration::from_secs(1);

/// Stands between two peers and loses, reorders, duplicates and corrupts what they send.
///
/// Datagrams that arrive at --bind go to --to, and answers go back to where they came from. Both directions
/// are treated alike. With the same seed and the same traffic, the same faults happen.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
                  sealmark tunnel relay --to 127.0.0.1:4700 --loss 30 --reorder --seed 7 --seconds 1")]
pub(super) struct Args {
    /// The address to receive on. Port 0 takes a free one, which the first line of output names.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    bind: SocketAddr,
    /// The address of the listener.
    #[arg(long, value_name = "ADDRESS")]
    to: SocketAddr,
    /// Percentage of datagrams that are lost.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = percent())]
    loss: u8,
    /// Percentage that later ones overtake. Without a value: 10.
    #[arg(long, value_name = "PERCENT", num_args = 0..=1, default_missing_value = "10", default_value_t = 0,
          value_parser = percent())]
    reorder: u8,
    /// Percentage that arrive twice, the second time up to a second later. Without a value: 10.
    #[arg(long, value_name = "PERCENT", num_args = 0..=1, default_missing_value = "10", default_value_t = 0,
          value_parser = percent())]
    duplicate: u8,
    /// Percentage with a changed byte, or cut short, or longer. Without a value: 10.
    #[arg(long, value_name = "PERCENT", num_args = 0..=1, default_missing_value = "10", default_value_t = 0,
          value_parser = percent())]
    corrupt: u8,
    /// Seed of the faults.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Ends after this many seconds. Default: at Ctrl-C.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

fn percent() -> clap::builder::RangedI64ValueParser<u8> {
    clap::value_parser!(u8).range(0..=100)
}

/// What `sealmark tunnel relay --format json` prints: one line when it is ready, one at its end.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Line {
    schema: &'static str,
    #[serde(flatten)]
    what: What,
}

#[derive(Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum What {
    Ready { address: SocketAddr },
    End(Counts),
}

/// What happened to the datagrams of both directions.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, JsonSchema)]
struct Counts {
    /// How many arrived here.
    received: u64,
    /// How many copies were passed on.
    passed: u64,
    lost: u64,
    reordered: u64,
    duplicated: u64,
    corrupted: u64,
    /// How many were dropped because too many waited, or nobody took them.
    dropped: u64,
}

/// The percentages.
#[derive(Clone, Copy)]
struct Faults {
    loss: u8,
    reorder: u8,
    duplicate: u8,
    corrupt: u8,
}

impl Faults {
    /// The copies of a datagram that arrive, each with its delay.
    fn apply(self, rng: &mut ChaCha8Rng, datagram: &[u8], counts: &mut Counts) -> Vec<(Duration, Vec<u8>)> {
        let mut happens = |percent: u8| rng.random_range(0..100) < percent;
        let (loss, reorder) = (happens(self.loss), happens(self.reorder));
        let (duplicate, corrupt) = (happens(self.duplicate), happens(self.corrupt));
        counts.received += 1;
        if loss {
            counts.lost += 1;
            return Vec::new();
        }
        let mut up_to = |longest: Duration| longest.mul_f64(rng.random());
        let delay = if reorder { up_to(OVERTAKEN) } else { Duration::ZERO };
        let mut copies = vec![(delay, datagram.to_vec())];
        if duplicate {
            copies.push((up_to(COPY), datagram.to_vec()));
        }
        if corrupt {
            // The copy that comes second stays as it was.
            damage(rng, &mut copies[0].1);
        }
        counts.reordered += u64::from(reorder);
        counts.duplicated += u64::from(duplicate);
        counts.corrupted += u64::from(corrupt);
        copies
    }
}

/// Changes a datagram: one byte, or its length.
fn damage(rng: &mut ChaCha8Rng, datagram: &mut Vec<u8>) {
    let len = datagram.len();
    match rng.random_range(0..10) {
        0 if len > 0 => datagram.truncate(rng.random_range(0..len)),
        1 if len < MAX_DATAGRAM => datagram.push(rng.random()),
        _ if len > 0 => datagram[rng.random_range(0..len)] ^= rng.random_range(1..=255),
        _ => datagram.push(0),
    }
}

/// A sender, and the socket by which the listener sees it.
struct Client {
    address: SocketAddr,
    socket: UdpSocket,
}

/// A datagram on its way.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    due: Instant,
    /// In order of arrival, if due at the same time.
    order: u64,
    client: SocketAddr,
    to_listener: bool,
    datagram: Vec<u8>,
}

struct Relay {
    front: UdpSocket,
    to: SocketAddr,
    clients: Vec<Client>,
    waiting: BinaryHeap<Reverse<Waiting>>,
    order: u64,
    faults: Faults,
    rng: ChaCha8Rng,
    counts: Counts,
}

impl Relay {
    /// Takes in what has arrived; whether anything had.
    fn receive(&mut self) -> anyhow::Result<bool> {
        let (mut buffer, mut any) = ([0; MAX_DATAGRAM], false);
        while let Some((len, from)) = arrived(&self.front, &mut buffer)? {
            self.client(from)?;
            self.enqueue(from, true, &buffer[..len]);
            any = true;
        }
        for at in 0..self.clients.len() {
            while let Some((len, from)) = arrived(&self.clients[at].socket, &mut buffer)? {
                if from == self.to {
                    self.enqueue(self.clients[at].address, false, &buffer[..len]);
                    any = true;
                }
            }
        }
        Ok(any)
    }

    fn enqueue(&mut self, client: SocketAddr, to_listener: bool, datagram: &[u8]) {
        for (delay, datagram) in self.faults.apply(&mut self.rng, datagram, &mut self.counts) {
            if self.waiting.len() == MAX_WAITING {
                self.counts.dropped += 1;
                continue;
            }
            self.order += 1;
            let due = Instant::now() + delay;
            self.waiting.push(Reverse(Waiting { due, order: self.order, client, to_listener, datagram }));
        }
    }

    /// Sends what is due.
    fn send(&mut self) {
        while self.waiting.peek().is_some_and(|Reverse(next)| next.due <= Instant::now()) {
            let Some(Reverse(next)) = self.waiting.pop() else { break };
            let client = self.clients.iter().find(|client| client.address == next.client);
            let sent = match (client, next.to_listener) {
                (Some(client), true) => client.socket.send_to(&next.datagram, self.to).is_ok(),
                (Some(client), false) => self.front.send_to(&next.datagram, client.address).is_ok(),
                (None, _) => false,
            };
            *if sent { &mut self.counts.passed } else { &mut self.counts.dropped } += 1;
        }
    }

    fn client(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        if self.clients.iter().any(|client| client.address == address) {
            return Ok(());
        }
        if self.clients.len() == MAX_CLIENTS {
            self.clients.remove(0);
        }
        let any = SocketAddr::new(self.front.local_addr()?.ip(), 0);
        self.clients.push(Client { address, socket: socket(any)? });
        Ok(())
    }
}

fn socket(address: SocketAddr) -> anyhow::Result<UdpSocket> {
    let socket = bind(address)?;
    socket.set_nonblocking(true).context("setting up the socket")?;
    Ok(socket)
}

/// The next datagram, if one is there.
fn arrived(socket: &UdpSocket, buffer: &mut [u8]) -> anyhow::Result<Option<(usize, SocketAddr)>> {
    match socket.recv_from(buffer) {
        Ok(arrived) => Ok(Some(arrived)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock || is_of_icmp(&error) => Ok(None),
        Err(error) => Err(error).context("receiving"),
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    install_ctrlc_handler();
    let front = socket(args.bind)?;
    let print = |what: What| {
        let line = Line { schema: SCHEMA, what };
        match (args.format, &line.what) {
            (Format::Json, _) => print_line!("{}", serde_json::to_string(&line)?),
            (Format::Text, What::Ready { address }) => print_line!("relaying {address} to {}", args.to),
            (Format::Text, What::End(counts)) => print_line!("{}", sentence(counts)),
        }
        anyhow::Ok(())
    };
    print(What::Ready { address: front.local_addr()? })?;
    let mut relay = Relay {
        front,
        to: args.to,
        clients: Vec::new(),
        waiting: BinaryHeap::new(),
        order: 0,
        faults: Faults {
            loss: args.loss,
            reorder: args.reorder,
            duplicate: args.duplicate,
            corrupt: args.corrupt,
        },
        rng: ChaCha8Rng::seed_from_u64(args.seed),
        counts: Counts::default(),
    };
    let end = args.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    while !STOP.load(Ordering::SeqCst) && end.is_none_or(|end| Instant::now() < end) {
        let any = relay.receive()?;
        relay.send();
        if !any {
            std::thread::sleep(IDLE);
        }
    }
    print(What::End(relay.counts))?;
    Ok(ExitStatus::Fine)
}

fn sentence(counts: &Counts) -> String {
    format!(
        "{} received, {} passed on: {} lost, {} reordered, {} duplicated, {} corrupted, {} dropped",
        counts.received,
        counts.passed,
        counts.lost,
        counts.reordered,
        counts.duplicated,
        counts.corrupted,
        counts.dropped
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The copies of one datagram that leave the relay, each with its delay.
    type Copies = Vec<(Duration, Vec<u8>)>;

    fn apply(faults: Faults, seed: u64) -> (Vec<Copies>, Counts) {
        let (mut rng, mut counts) = (ChaCha8Rng::seed_from_u64(seed), Counts::default());
        let datagram = [7; 100];
        let copies = (0..10_000).map(|_| faults.apply(&mut rng, &datagram, &mut counts)).collect();
        (copies, counts)
    }

    #[test]
    fn faults_happen_as_often_as_asked_for_and_the_same_ones_for_the_same_seed() {
        let faults = Faults { loss: 30, reorder: 20, duplicate: 10, corrupt: 5 };
        let (copies, counts) = apply(faults, 1);
        assert_eq!((copies.clone(), counts), apply(faults, 1));
        assert_ne!(counts, apply(faults, 2).1);
        let near = |count: u64, expected: u64| count.abs_diff(expected) < expected / 5;
        assert!(near(counts.lost, 3_000), "{counts:?}");
        // Of the 70 % that are left.
        assert!(near(counts.reordered, 1_400) && near(counts.duplicated, 700), "{counts:?}");
        assert!(near(counts.corrupted, 350), "{counts:?}");
        let arrived: usize = copies.iter().map(Vec::len).sum();
        assert_eq!(arrived as u64, counts.received - counts.lost + counts.duplicated);
        assert_eq!(copies.iter().filter(|copies| copies.is_empty()).count() as u64, counts.lost);
    }

    #[test]
    fn without_faults_every_datagram_passes_once_at_once_and_unchanged() {
        let (copies, counts) = apply(Faults { loss: 0, reorder: 0, duplicate: 0, corrupt: 0 }, 1);
        assert!(copies.iter().all(|copies| *copies == [(Duration::ZERO, vec![7; 100])]));
        assert_eq!(counts, Counts { received: 10_000, ..Counts::default() });
    }

    #[test]
    fn a_corrupted_datagram_differs_and_its_copy_does_not() {
        let faults = Faults { loss: 0, reorder: 0, duplicate: 100, corrupt: 100 };
        let (copies, _) = apply(faults, 3);
        assert!(copies.iter().all(|copies| copies.len() == 2 && copies[1].1 == [7; 100]));
        assert!(copies.iter().all(|copies| copies[0].1 != [7; 100]));
        let of_len = |wanted: fn(usize) -> bool| copies.iter().filter(|c| wanted(c[0].1.len())).count();
        assert!(of_len(|len| len < 100) > 500 && of_len(|len| len > 100) > 500);
        assert!(of_len(|len| len == 100) > 5_000);
        let mut empty = Vec::new();
        damage(&mut ChaCha8Rng::seed_from_u64(0), &mut empty);
        assert_ne!(empty, [0_u8; 0]);
    }
}
