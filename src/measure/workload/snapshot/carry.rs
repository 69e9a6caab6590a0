//! `carry`: prepared bytes through a transport, over TCP on this machine, without a stream's encryption.
//!
//! A reset connects and shakes hands; a pass writes `count` pieces, ends the connection and waits for the
//! other end, a thread of its own on another core where there is one. One operation is one piece. The bytes
//! that arrived are the result; a reset drops them.

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::fixture::{default_count, refused, text};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::kind::{Kind, Scope, Subject};
use crate::scheme::snapshot::transport::Timed as Tcp;
use crate::scheme::snapshot::{Limits, Plain, Stream, Transport};
use crate::timing::{Timed, cores};

/// The name of the receiver, which its certificate has.
const HOST: &str = "localhost";

/// A transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Over {
    Plain,
    #[cfg(feature = "tls")]
    Tls,
}

impl Over {
    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "snapshot/plain",
            #[cfg(feature = "tls")]
            Self::Tls => "snapshot/tls",
        }
    }

    /// The sender's and the receiver's end.
    fn ends(self) -> Result<[Arc<dyn Transport>; 2], Error> {
        match self {
            Self::Plain => Ok([Arc::new(Plain), Arc::new(Plain)]),
            #[cfg(feature = "tls")]
            Self::Tls => super::certificate::ends(),
        }
    }
}

/// Carries bytes over that transport.
pub(super) struct Carry(pub Over);

impl Kind for Carry {
    fn name(&self) -> &'static str {
        "carry"
    }

    fn subject(&self) -> Subject {
        Subject::One(self.0.name())
    }

    fn prepare(
        &self,
        workload: &Workload,
        _: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(carries(self.0, workload, count)?))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }

    fn default_count(&self, workload: &Workload) -> usize {
        default_count(workload.bytes)
    }

    /// Both ends work at once.
    fn single_core(&self) -> bool {
        false
    }
}

type Far = JoinHandle<io::Result<Vec<u8>>>;

struct Carries {
    listener: TcpListener,
    sender: Arc<dyn Transport>,
    receiver: Arc<dyn Transport>,
    bytes: Vec<u8>,
    piece: usize,
    /// The connection of the next pass, or the reason why there is none.
    ends: io::Result<(Box<dyn Stream>, Far)>,
    arrived: io::Result<Vec<u8>>,
}

fn none<T>() -> io::Result<T> {
    Err(io::Error::other("nothing was carried"))
}

/// `count` pieces over one connection.
fn carries(over: Over, workload: &Workload, count: usize) -> Result<Carries, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(refused)?;
    let [sender, receiver] = over.ends()?;
    let (bytes, piece) = (text(workload, count), workload.bytes);
    // Determined before the first thread is pinned.
    cores();
    Ok(Carries { listener, sender, receiver, bytes, piece, ends: none(), arrived: none() })
}

impl Carries {
    fn connect(&self) -> io::Result<(Box<dyn Stream>, Far)> {
        let limits = Limits::default();
        let near = Tcp::new(TcpStream::connect(self.listener.local_addr()?)?, Some(&limits))?;
        let far = Tcp::new(self.listener.accept()?.0, Some(&limits))?;
        let (receiver, len) = (Arc::clone(&self.receiver), self.bytes.len());
        let far = std::thread::Builder::new().spawn(move || {
            // The measuring thread is on the last core. Where a thread cannot be placed, the system chooses.
            _ = cores().first().map(|&core| core_affinity::set_for_current(core));
            let mut arrived = Vec::with_capacity(len + 1);
            receiver.accept(far)?.read_to_end(&mut arrived)?;
            Ok(arrived)
        })?;
        Ok((self.sender.connect(near, HOST)?, far))
    }

    fn disconnect(&mut self) {
        if let Ok((near, far)) = std::mem::replace(&mut self.ends, none()) {
            drop(near);
            // It saw the connection end too early.
            _ = far.join();
        }
    }

    fn carry(&mut self) -> io::Result<Vec<u8>> {
        let (mut near, far) = std::mem::replace(&mut self.ends, none())?;
        for piece in self.bytes.chunks(self.piece.max(1)) {
            near.write_all(black_box(piece))?;
        }
        near.finish()?;
        far.join().unwrap_or_else(|_| Err(io::Error::other("the receiving thread panicked")))
    }
}

impl Timed for Carries {
    fn reset(&mut self) {
        self.disconnect();
        self.arrived = none();
        self.ends = self.connect();
    }

    fn run(&mut self) {
        self.arrived = self.carry();
        black_box(&self.arrived);
    }

    fn count(&self) -> u64 {
        (self.bytes.len() / self.piece.max(1)) as u64
    }

    fn check(&mut self) -> Result<(), String> {
        match &self.arrived {
            Ok(arrived) if *arrived == self.bytes => Ok(()),
            Ok(arrived) => Err(format!("{} bytes arrived, and they are not those sent", arrived.len())),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Carries {
    fn drop(&mut self) {
        self.disconnect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::pass;

    fn of(over: Over, count: usize) -> Carries {
        let workload = Workload { bytes: 1000, ..catalog::find("nonce").unwrap().clone() };
        carries(over, &workload, count).unwrap()
    }

    #[test]
    fn bytes_arrive_over_every_transport_and_again_after_a_pass_that_did_not_run() {
        for over in [Over::Plain, Over::Tls] {
            let mut timed = of(over, 100);
            assert_eq!(timed.count(), 100);
            assert_eq!(pass(&mut timed), Ok(()), "{over:?}");
            timed.reset();
            assert_eq!(timed.check(), Err("nothing was carried".into()));
            assert_eq!(pass(&mut timed), Ok(()), "{over:?}, again");
            timed.reset();
        }
    }

    #[test]
    fn bytes_that_were_not_written_are_missed() {
        for over in [Over::Plain, Over::Tls] {
            let mut timed = of(over, 3);
            timed.reset();
            let last = timed.bytes.split_off(2000);
            timed.run();
            timed.bytes.extend(last);
            let found = timed.check().unwrap_err();
            assert_eq!(found, "2000 bytes arrived, and they are not those sent", "{over:?}");
        }
    }
}
