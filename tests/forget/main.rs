//! Proof of forgetting, the memory half: a purged key is nowhere in the memory of the process that used it.
//!
//! A child process restores two rounds in each form, seals and opens over a thousand blobs under each key on
//! three threads, and purges one of the two rounds. Then every thread is stopped, and this process searches
//! all of the child's memory: stacks, heap, and everything else that is mapped. It looks for the key, the
//! round keys of FIPS 197, H, the words of the backend's own layout of them, and the wrapped key, at every
//! byte offset. The other round's key must be found, or the search is worthless. No file of the child's may
//! hold the wrapped key either. Leaks are planted in further children, and each must be found; so must those
//! that the crash campaign plants on the disk.
//!
//! Without arguments it judges the default engine; with `all`, every backend that this CPU runs, with a table
//! for the other engines and the cost of wiping. A build that is not optimised keeps copies everywhere: there
//! only the planted leaks count. The vector registers of the stopped threads are searched as well; what they
//! hold is listed and not judged, because no call wipes them. General-purpose registers are not read.
//! Fragments of fewer than 8 bytes are not searched for.

#![cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux shows a child's memory"))]

use std::process::ExitCode;

#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod cost;
#[cfg(target_os = "linux")]
mod judge;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod needle;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("!! only Linux shows a child's memory: NOT searched");
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    if let Some(orders) = child::Orders::received() {
        return match child::run(&orders) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("the child of {}: {error}", orders.engine);
                ExitCode::FAILURE
            }
        };
    }
    let all = std::env::args().nth(1).as_deref() == Some("all");
    match judge::campaign(all) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
