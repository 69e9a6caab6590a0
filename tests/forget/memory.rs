//! The memory of a stopped process, and where in it a word lies. All of it is read, or the search fails; only
//! the pages that the kernel itself keeps there may be unreadable. The vector registers are read as well, the
//! general-purpose registers are not.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::needle::{Kind, LONGEST, Needles};

/// Bytes read at a time.
const PIECE: usize = 1 << 20;

/// A word that was found.
#[derive(Debug)]
pub struct Found {
    pub kind: Kind,
    /// Its address.
    pub at: u64,
    /// The mapping.
    pub place: String,
    /// Bytes below the stack pointer, in the part of a stack that no call uses.
    pub below: Option<u64>,
}

/// What a search covered and found.
#[derive(Debug)]
pub struct Search {
    pub searched: u64,
    /// The kernel's own pages, which the system does not let anybody read.
    pub unread: Vec<String>,
    pub threads: usize,
    /// What each set of needles found in memory.
    pub found: Vec<Vec<Found>>,
    /// What each found in the vector registers; `None` if they were not searched.
    pub in_registers: Option<Vec<usize>>,
}

/// Mappings that hold the kernel's data and code, and nothing of the process.
const KERNELS: [&str; 2] = ["[vvar", "[vsyscall"];

/// Stops every thread of the process, and searches all of its memory for each set of needles.
///
/// # Errors
/// Also if memory of the process cannot be read: what is not searched is not known to be clean.
pub fn search(process: u32, needles: &[&Needles]) -> io::Result<Search> {
    let stacks = stop(process)?;
    let memory = File::open(format!("/proc/{process}/mem"))?;
    let (mut searched, mut unread) = (0, Vec::new());
    let mut found: Vec<Vec<Found>> = needles.iter().map(|_| Vec::new()).collect();
    for line in fs::read_to_string(format!("/proc/{process}/maps"))?.lines() {
        let Some((start, end, name)) = mapping(line) else {
            return Err(io::Error::other(format!("a line of the maps that cannot be read: {line}")));
        };
        let stack = stacks.iter().find(|pointer| (start..end).contains(*pointer));
        let mut at = start;
        while at < end {
            let mut piece = vec![0; PIECE.min((end - at) as usize)];
            if let Err(error) = memory.read_exact_at(&mut piece, at) {
                let unreadable = format!("{name} ({} bytes at {at:x}): {error}", end - at);
                if KERNELS.iter().any(|kernels| name.starts_with(kernels)) {
                    unread.push(unreadable);
                    break;
                }
                return Err(io::Error::other(format!("not readable, so not searched: {unreadable}")));
            }
            for (found, needles) in found.iter_mut().zip(needles) {
                found.extend(needles.find(&piece).map(|(offset, kind)| {
                    let at = at + offset as u64;
                    let below = stack.and_then(|pointer| pointer.checked_sub(at));
                    let place = match (stack, below) {
                        (None, _) => name.into(),
                        (_, None) => "a stack, in use".into(),
                        (_, Some(below)) => format!("a stack, {} KiB below its pointer", below / 1024),
                    };
                    Found { kind, at, place, below }
                }));
            }
            searched += piece.len() as u64;
            // A run may lie across two pieces.
            let step =
                if at + (piece.len() as u64) < end { piece.len() - (LONGEST - 1) } else { piece.len() };
            at += step as u64;
        }
    }
    // After the memory: reading them resumes the threads for a moment.
    let registers =
        registers(process).inspect_err(|error| println!("!! reading the vector registers: {error}"));
    let in_registers: Option<Vec<usize>> = registers.ok().map(|registers| {
        let count = |needles: &&Needles| registers.iter().map(|bytes| needles.find(bytes).count()).sum();
        needles.iter().map(count).collect()
    });
    Ok(Search { searched, unread, threads: stacks.len(), found, in_registers })
}

/// Start, end and name of a mapping.
fn mapping(line: &str) -> Option<(u64, u64, &str)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let name = words.nth(4).unwrap_or("anonymous memory");
    Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?, name))
}

/// The bytes of every thread's vector registers, from the stopped threads.
#[expect(unsafe_code, reason = "no crate reads vector registers of another process")]
fn registers(process: u32) -> io::Result<Vec<Vec<u8>>> {
    /// `NT_X86_XSTATE`, or `NT_PRFPREG`.
    const SET: usize = if cfg!(target_arch = "x86_64") { 0x202 } else { 2 };
    let mut all = Vec::new();
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let name = thread?.file_name();
        let thread: i32 = name.to_string_lossy().parse().map_err(io::Error::other)?;
        let pid = Pid::from_raw(thread);
        ptrace::seize(pid, ptrace::Options::empty())?;
        ptrace::interrupt(pid)?;
        waitpid(pid, Some(WaitPidFlag::__WALL))?;
        let mut bytes = vec![0_u8; 1 << 14];
        let mut vector = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        // SAFETY: the kernel writes at most `iov_len` bytes into the buffer, which outlives the call, and the
        // number that it wrote into the vector.
        let read = unsafe { libc::ptrace(libc::PTRACE_GETREGSET, thread, SET, &raw mut vector) };
        let read = if read == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
        // A traced thread that is not released would outlive its process.
        ptrace::detach(pid, None)?;
        read?;
        bytes.truncate(vector.iov_len);
        all.push(bytes);
    }
    Ok(all)
}

/// Stops every thread; returns their stack pointers.
fn stop(process: u32) -> io::Result<Vec<u64>> {
    kill(Pid::from_raw(process.cast_signed()), Signal::SIGSTOP)?;
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let mut pointers = Vec::new();
        let mut stopped = true;
        for thread in fs::read_dir(format!("/proc/{process}/task"))? {
            let folder = thread?.path();
            let state = fs::read_to_string(folder.join("stat"))?;
            // The name in parentheses may hold anything; the state follows it.
            stopped &= state.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'));
            let call = fs::read_to_string(folder.join("syscall"))?;
            // "NUMBER ARGUMENTS... SP PC", or "-1 SP PC" outside a call.
            let pointer = call.split_ascii_whitespace().rev().nth(1).and_then(|word| word.strip_prefix("0x"));
            pointers.push(pointer.and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0));
        }
        if stopped {
            return Ok(pointers);
        }
        if Instant::now() > limit {
            return Err(io::Error::other("the child's threads do not stop"));
        }
        thread::sleep(Duration::from_millis(5));
    }
}
