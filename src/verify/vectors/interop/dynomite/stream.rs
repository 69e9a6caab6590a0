//! `dyn-stream.json`: what a sender writes, and what a receiver makes of a stream that then ends.

use std::io::{self, Read, Write};

use super::{
    Arc, Judgement, Node, Problem, Ruling, VERDICTS, ends_as, integer, only, only_with_success, ruled, same,
    without_cipher,
};
use crate::scheme::snapshot::{
    ChunkCipher, Config, EMPTY_CHUNKS, Error, FLAG_MISMATCH, Format, Keys, Limits, Material, MemorySink,
    ONE_ERROR, Stream, receive_snapshot, send,
};
use crate::verify::Case;

/// What the sink holds before a stream arrives.
const BEFORE: &[u8] = b"what the sink held before";

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    only(root, &["sender", "receiver"])?;
    let mut cases = Vec::new();
    for node in root.member("sender")?.elements()? {
        let sent = Sent::read(&node)?;
        cases.push(without_cipher(format!("sender/{}", node.member("id")?.text()?), move || sent.judge()));
    }
    let mut safe = Vec::new();
    for node in root.member("receiver")?.elements()? {
        let (received, id) = (Arc::new(Received::read(&node)?), node.member("id")?.text()?);
        let same = Arc::clone(&received);
        cases.push(without_cipher(format!("receiver/{id}"), move || received.compat()));
        safe.push(ruled(format!("safe/{id}"), false, move |_| same.safe()));
    }
    cases.extend(safe);
    Ok(cases)
}

/// The contents of both files; the error of a bad one belongs to the call that uses them.
fn keys(node: &Node<'_>) -> Result<[Vec<u8>; 2], Problem> {
    Ok([node.member("key")?.bytes()?, node.member("iv")?.bytes()?])
}

struct Sent {
    files: [Vec<u8>; 2],
    config: Config,
    snapshot: Vec<u8>,
    expect: &'static str,
    /// The bytes on the wire and the number that is returned.
    wire: Option<(Vec<u8>, u64)>,
}

impl Sent {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        node.only(&[
            "id",
            "key",
            "iv",
            "snapshot",
            "buffer_size",
            "header_size",
            "encrypt",
            "expect",
            "wire",
            "returned",
        ])?;
        let expect = node.member("expect")?.word(&VERDICTS)?;
        let wire = match (only_with_success(node, "wire", expect)?, node.find("returned")?) {
            (Some(wire), _) => Some((wire, node.member("returned")?.number()?)),
            (None, None) => None,
            (None, Some(returned)) => return Err(returned.problem("a refusal has no such member")),
        };
        let config = Config {
            buffer_size: integer(&node.member("buffer_size")?)?,
            header_size: integer(&node.member("header_size")?)?,
            encrypt: node.member("encrypt")?.truth()?,
            ..Config::new("key", "iv")
        };
        Ok(Self { files: keys(node)?, config, snapshot: node.member("snapshot")?.bytes()?, expect, wire })
    }

    fn judge(&self) -> Judgement {
        let mut wire = Vec::new();
        let sent = self.send(&mut wire);
        ends_as("send", &sent, self.expect)?;
        let (expected, returned) = match &self.wire {
            Some((wire, returned)) => (&wire[..], *returned),
            None => (&[][..], 0),
        };
        same("the wire", &wire, expected)?;
        match sent.unwrap_or(0) {
            seen if seen == returned => Ok(()),
            seen => Err(format!("the length returned: expected {returned}, got {seen}")),
        }
    }

    /// As a sender does: validate, load, write.
    fn send(&self, wire: &mut Vec<u8>) -> Result<u64, Error> {
        self.config.validate()?;
        let cipher = match self.config.encrypt {
            true => Some(ChunkCipher::new(&Material::parse(&self.files[0], &self.files[1])?)),
            false => None,
        };
        send::write(wire, &self.snapshot, cipher.as_ref(), self.config.header_size, self.config.buffer_size)
    }
}

struct Received {
    files: [Vec<u8>; 2],
    stream: Vec<u8>,
    encrypt: bool,
    expect: &'static str,
    applied: Option<Vec<u8>>,
}

/// The result, and what the sink holds then.
type Seen = (Result<u64, Error>, Vec<u8>);

impl Received {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        node.only(&[
            "id",
            "why",
            "key",
            "iv",
            "stream",
            "receiver_encrypt_cfg",
            "expect",
            "applied",
            "sink_untouched",
        ])?;
        node.member("why")?.text()?;
        let expect = node.member("expect")?.word(&VERDICTS)?;
        let applied = only_with_success(node, "applied", expect)?;
        match (applied.is_some(), node.find("sink_untouched")?) {
            (true, None) => {}
            (true, Some(member)) => return Err(member.problem("a sink that applies is not untouched")),
            (false, _) => {
                let member = node.member("sink_untouched")?;
                if !member.truth()? {
                    return Err(member.problem("after a refusal, the sink is always untouched"));
                }
            }
        }
        let encrypt = node.member("receiver_encrypt_cfg")?.truth()?;
        Ok(Self { files: keys(node)?, stream: node.member("stream")?.bytes()?, encrypt, expect, applied })
    }

    fn receive(
        &self,
        format: &dyn Fn(Keys) -> Format,
        encrypt: bool,
        empty_chunks: u32,
    ) -> Result<Seen, String> {
        let limits = Limits { empty_chunks, ..Limits::default() };
        let material = Material::parse(&self.files[0], &self.files[1]).map_err(|error| error.to_string())?;
        let format = format(Keys::Loaded(Arc::new(material)));
        let (sink, mut stream) = (MemorySink::holding(BEFORE), Recorded(io::Cursor::new(&self.stream)));
        let received = receive_snapshot(&mut stream, &format, encrypt, &limits, &sink);
        let times = u64::from(received.is_ok());
        if sink.committed() != times {
            return Err(format!("the sink was asked {} times, expected {times}", sink.committed()));
        }
        if let Ok(len) = &received
            && *len != sink.content().len() as u64
        {
            return Err(format!("the length returned is {len}, not the sink's"));
        }
        Ok((received, sink.content()))
    }

    /// Checks that a result is the reference's.
    fn agrees(&self, what: &str, (received, content): &Seen) -> Judgement {
        ends_as(what, received, self.expect)?;
        same("the sink", content, self.applied.as_deref().unwrap_or(BEFORE))
    }

    fn compat(&self) -> Judgement {
        self.agrees("receive", &self.receive(&Format::Compat, self.encrypt, 0)?)
    }

    /// The outcome under the rules, each of which must be the only reason for a difference.
    fn safe(&self) -> Ruling {
        let cap = Limits::default().empty_chunks;
        let seen = self.receive(&Format::Safe, self.encrypt, cap)?;
        let Err(differs) = self.agrees("receive", &seen) else { return Ok(None) };
        let Err(refused) = &seen.0 else { return Err(differs) };
        same("the sink after a refusal", &seen.1, BEFORE)?;
        if matches!(refused, Error::FlagMismatch { .. }) {
            let other = self.receive(&Format::Safe, !self.encrypt, cap)?;
            self.agrees("receive, configured as the stream is", &other)?;
            return Ok(Some(FLAG_MISMATCH));
        }
        if self.expect.is_empty() {
            let lifted = self.receive(&Format::Safe, self.encrypt, u32::MAX)?;
            self.agrees("receive without a cap", &lifted)?;
            return Ok(Some(EMPTY_CHUNKS));
        }
        match (self.expect, refused.spec_name()) {
            // Both refuse. Ours is the one error, or one that depends on the wire alone.
            ("Io" | "Protocol", "Crypto") | ("Protocol" | "Crypto", "Io") => Ok(Some(ONE_ERROR)),
            _ => Err(differs),
        }
    }
}

/// A stream that was recorded. Nothing can be written to it.
struct Recorded<'a>(io::Cursor<&'a Vec<u8>>);

impl Read for Recorded<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}

impl Write for Recorded<'_> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("a receiver never writes"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Recorded<'_> {
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn close(&mut self) {}
}
