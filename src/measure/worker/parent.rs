//! A driver's end of the worker protocol: one worker process, from its `hello` to its end.
//!
//! A worker is not trusted to work: the length of its answers is bounded, it must answer in time, and a
//! [`Failure`] says how it failed. After a failure nothing more is sent to it, and it is killed when its
//! [`Worker`] is dropped.

use std::io::{self, BufReader};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::host::{self, environment};
use crate::measure::worker::failure::Failure;
use crate::measure::worker::line;
use crate::measure::worker::protocol::{Answer, Command, Hello};

/// The hidden verb that makes this program a worker.
pub const VERB: &str = "worker";

/// How often a conversation checks whether to stop.
pub(in crate::measure) const TICK: Duration = Duration::from_millis(100);
/// The time allowed for a worker to end.
const ENDING: Duration = Duration::from_secs(10);

/// Starts another process of this program, as a worker.
///
/// # Errors
/// Those of the system.
pub fn spawn() -> io::Result<Child> {
    let mut command = host::program()?;
    environment::give(&mut command);
    command.arg(VERB).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
}

/// A worker that has said hello.
#[derive(Debug)]
pub struct Worker<'a> {
    process: Process,
    hello: Hello,
    stop: &'a AtomicBool,
}

impl<'a> Worker<'a> {
    /// Greets a process that was started with pipes as standard input and output. It must answer within
    /// `patience` and have these capabilities.
    ///
    /// # Errors
    /// [`Failure`], after which the process is ended.
    pub fn greet(
        child: Child,
        needs: &[&'static str],
        patience: Duration,
        stop: &'a AtomicBool,
    ) -> Result<Self, Failure> {
        let mut process = Process::new(child);
        process.tell(&Command::Hello(Hello::of_driver()));
        match process.hear(patience, stop)? {
            Answer::Hello(hello) => {
                hello.accept(needs)?;
                Ok(Self { process, hello, stop })
            }
            other => Err(unexpected(&other)),
        }
    }

    /// The worker's greeting.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Sends a command. Errors show when an answer is [awaited](Self::hear).
    pub fn tell(&mut self, command: &Command) {
        self.process.tell(command);
    }

    /// Waits for the next answer. An `error` is an answer too.
    ///
    /// # Errors
    /// [`Failure`], after which the worker is unusable.
    pub fn hear(&mut self, patience: Duration) -> Result<Answer, Failure> {
        self.process.hear(patience, self.stop)
    }

    /// Sends a command and returns its first answer. An `error` is a [`Failure::Refused`], after which the
    /// worker is still usable.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn ask(&mut self, command: &Command, patience: Duration) -> Result<Answer, Failure> {
        self.tell(command);
        match self.hear(patience)? {
            Answer::Error { cause, why } => Err(Failure::Refused { cause, why }),
            answer => Ok(answer),
        }
    }

    /// Tells the worker to end, and waits for it. If it does not, it is killed: its results have arrived.
    pub fn end(mut self) {
        self.tell(&Command::End);
        self.process.input = None;
        let began = Instant::now();
        while began.elapsed() < ENDING && self.hear(ENDING).is_ok() {}
    }
}

/// The failure of a worker that sent an unexpected answer.
pub(in crate::measure) fn unexpected(answer: &Answer) -> Failure {
    let text = serde_json::to_string(answer).unwrap_or_else(|error| error.to_string());
    Failure::Garbled(format!("unexpected answer: {}", beginning(&text)))
}

/// The beginning of a line, short enough for a message.
fn beginning(text: &str) -> String {
    const ROOM: usize = 120;
    match text.char_indices().nth(ROOM) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// A process with its pipes. Dropping it kills the process.
#[derive(Debug)]
struct Process {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<io::Result<Vec<u8>>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; killing it then fails harmlessly.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn new(mut child: Child) -> Self {
        let (send, lines) = mpsc::channel();
        if let Some(output) = child.stdout.take() {
            // The thread ends at the end of the pipe, at a line that is too long, or when nobody receives.
            std::thread::spawn(move || {
                let mut output = BufReader::new(output);
                let mut text = Vec::new();
                loop {
                    let read = line::read(&mut output, &mut text);
                    let (item, last) = match read {
                        Ok(false) => return,
                        Ok(true) => (Ok(std::mem::take(&mut text)), false),
                        Err(error) => (Err(error), true),
                    };
                    if send.send(item).is_err() || last {
                        return;
                    }
                }
            });
        }
        Self { input: child.stdin.take(), child, lines }
    }

    fn tell(&mut self, command: &Command) {
        // A process that has ended or no longer reads shows when an answer is awaited.
        if self.input.as_mut().is_some_and(|input| line::write(input, command).is_err()) {
            self.input = None;
        }
    }

    fn hear(&mut self, patience: Duration, stop: &AtomicBool) -> Result<Answer, Failure> {
        let began = Instant::now();
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(Failure::Stopped);
            }
            match self.lines.recv_timeout(TICK.min(patience)) {
                Ok(text) => {
                    let text = text.map_err(|error| Failure::Garbled(error.to_string()))?;
                    return serde_json::from_slice(&text).map_err(|error| {
                        let said = String::from_utf8_lossy(&text);
                        Failure::Garbled(format!("{error}: {}", beginning(said.trim_end())))
                    });
                }
                Err(RecvTimeoutError::Timeout) if began.elapsed() < patience => {}
                Err(RecvTimeoutError::Timeout) => return Err(Failure::Silent(patience)),
                Err(RecvTimeoutError::Disconnected) => return Err(self.ended()),
            }
        }
    }

    /// It has closed its output, so it has ended or can send no further answer.
    fn ended(&mut self) -> Failure {
        let _ = self.child.kill();
        match self.child.wait() {
            Ok(status) => Failure::Died(status),
            Err(error) => Failure::Garbled(format!("it ended, and the system does not say how: {error}")),
        }
    }
}

/// Shell scripts in place of workers.
#[cfg(test)]
#[cfg(unix)]
pub(in crate::measure) mod testing {
    use super::*;

    /// The greeting of a worker that samples.
    pub const HELLO: &str = concat!(
        r#"{"answer":"hello","major":1,"minor":0,"program":"a script","#,
        r#""capabilities":["sample","turns","run"]}"#
    );

    /// Long enough on a busy machine.
    pub const LONG: Duration = Duration::from_secs(60);
    /// Long enough for a script to start, and short enough to wait for one that hangs.
    pub const SHORT: Duration = Duration::from_secs(3);

    /// Starts a script.
    pub fn script(text: &str) -> io::Result<Child> {
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", text]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
    }

    /// The part of a script that reads a line and answers it.
    pub fn answer(text: &str) -> String {
        format!("read -r line && echo '{text}'; ")
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::testing::{HELLO, LONG, SHORT, answer, script};
    use super::*;
    use crate::measure::worker::failure::Cause;
    use crate::measure::worker::protocol::{Fault, MAJOR, MINOR, Misfit, PREPARE, RUN, Slice};

    static GO: AtomicBool = AtomicBool::new(false);
    const RAN: &str = r#"{"answer":"ran","slot":0,"operations":3,"ns":12.5}"#;

    fn greet(text: &str, needs: &[&'static str]) -> Result<Worker<'static>, Failure> {
        Worker::greet(script(text).unwrap(), needs, LONG, &GO)
    }

    fn run() -> Command {
        Command::Run(Slice::default())
    }

    #[test]
    fn a_worker_is_asked_again_and_again_and_goes_on_after_an_error() {
        let refusal = r#"{"answer":"error","cause":"command","why":"not today"}"#;
        let ended = r#"{"answer":"ended"}"#;
        let text = [HELLO, RAN, refusal, RAN, ended].map(answer).concat();
        let mut worker = greet(&text, &[RUN]).unwrap();
        let ran = Answer::Ran { slot: 0, operations: 3, ns: 12.5, cycles: None };
        assert_eq!(worker.ask(&run(), LONG).unwrap(), ran);
        let refused = worker.ask(&run(), LONG).unwrap_err();
        assert!(matches!(&refused, Failure::Refused { cause: Fault::Command, why } if why == "not today"));
        assert_eq!(refused.cause(), Cause::Other);
        assert_eq!(worker.ask(&run(), LONG).unwrap(), ran);
        assert_eq!(worker.hello().program, "a script");
        worker.end();
    }

    #[test]
    fn an_older_worker_is_used_for_what_it_can_do_and_refused_for_what_it_cannot() {
        let text = [HELLO, RAN].map(answer).concat();
        assert!(greet(&text, &[RUN]).unwrap().ask(&run(), LONG).is_ok());
        let failure = greet(&text, &[RUN, PREPARE]).unwrap_err();
        let Failure::Misfit(misfit) = &failure else { panic!("{failure}") };
        let (program, minor, capability) = ("a script".into(), 0, PREPARE);
        assert_eq!(*misfit, Misfit::Lacks { program, minor, capability });
        let words = failure.to_string();
        assert!(
            words.contains("a script speaks version 1.0 of the worker protocol and lacks `prepare`"),
            "{words}"
        );
    }

    #[test]
    fn a_newer_worker_may_say_more_than_is_known() {
        let hello = HELLO
            .replace("\"minor\":0", "\"minor\":9,\"colour\":\"blue\"")
            .replace("\"run\"", "\"fly\",\"run\"");
        let ran = RAN.replace("}", ",\"joules\":{\"core\":1}}");
        let mut worker = greet(&[hello.as_str(), &ran].map(answer).concat(), &[RUN]).unwrap();
        assert!(matches!(worker.ask(&run(), LONG), Ok(Answer::Ran { operations: 3, .. })));
        assert_eq!(worker.hello().minor, 9);
        let cause = r#"{"answer":"error","cause":"weather","why":"rain"}"#;
        let mut worker = greet(&[HELLO, cause].map(answer).concat(), &[RUN]).unwrap();
        assert!(matches!(worker.ask(&run(), LONG), Err(Failure::Refused { cause: Fault::Other, .. })));
    }

    #[test]
    fn a_worker_of_another_major_version_is_refused_whatever_it_can_do() {
        for major in [0, 2] {
            let hello = HELLO.replace("\"major\":1", &format!("\"major\":{major}"));
            let failure = greet(&answer(&hello), &[RUN]).unwrap_err();
            assert!(
                matches!(&failure, Failure::Misfit(Misfit::Major { major: theirs, .. }) if *theirs == major)
            );
            let words = failure.to_string();
            assert!(words.contains(&format!(
                "speaks version {major}.0 of the worker protocol, and this program {MAJOR}.{MINOR}"
            )));
        }
    }

    #[test]
    fn what_is_no_answer_is_not_believed() {
        for (said, reason) in [
            ("echo hello", "hello"),
            ("echo '{\"answer\":\"fly\"}'", "unknown variant `fly`"),
            ("echo '{\"answer\":\"ended\"}'", "unexpected answer: {\"answer\":\"ended\"}"),
            ("printf '\\377\\n'", "expected value"),
            ("yes | tr -d '\\n'", "more than 1048576 bytes"),
        ] {
            let failure = greet(&format!("{said}; exec sleep 1000"), &[RUN]).unwrap_err();
            let Failure::Garbled(why) = &failure else { panic!("{said}: {failure}") };
            assert!(why.contains(reason), "{said}: {why}");
            assert!(failure.to_string().contains("that its parent does not understand"));
            assert_eq!(failure.cause(), Cause::Other);
        }
    }

    #[test]
    fn what_dies_or_says_no_more_is_found_by_its_cause() {
        for (end, cause) in [
            ("kill -4 $$", Cause::Crash),
            ("kill -9 $$", Cause::Other),
            ("exit 3", Cause::Other),
            ("exec >&-; exec sleep 1000", Cause::Other),
        ] {
            let mut worker = greet(&(answer(HELLO) + end), &[RUN]).unwrap();
            let failure = worker.ask(&run(), LONG).unwrap_err();
            assert!(matches!(failure, Failure::Died(_)), "{end}: {failure}");
            assert_eq!(failure.cause(), cause, "{end}");
        }
        let mut worker = greet(&(answer(HELLO) + "exec sleep 1000"), &[RUN]).unwrap();
        let failure = worker.ask(&run(), Duration::from_millis(50)).unwrap_err();
        assert!(matches!(failure, Failure::Silent(_)), "{failure}");
        assert_eq!(failure.cause(), Cause::Hang);
        assert!(matches!(
            Worker::greet(script("exec sleep 1000").unwrap(), &[], SHORT, &AtomicBool::new(true)),
            Err(Failure::Stopped)
        ));
    }
}
