//! Checks of the hardened handshake that a test can leave out, to show that the attacker's scripts notice.
//!
//! The switch exists in tests only and belongs to one thread; in every other build all checks are made.

/// A check that a defective handshake leaves out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defect {
    /// Whether the hello echoes ours.
    EchoUnchecked,
    /// Whether our hello was answered before.
    NotConsumed,
    /// Whether our hello is still young enough to be answered.
    NeverExpires,
    /// Whether the hello is meant for us.
    ReceiverUnchecked,
    /// Whether the sender signed the hello.
    SignatureUnchecked,
}

#[cfg(test)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Defect>> = const { std::cell::Cell::new(None) };
}

/// Whether this check is left out.
#[cfg(test)]
pub fn lacks(check: Defect) -> bool {
    PLANTED.get() == Some(check)
}

/// Whether this check is left out: never.
#[cfg(not(test))]
pub const fn lacks(_: Defect) -> bool {
    false
}

/// Runs something while every handshake of this thread has that defect, if any.
#[cfg(all(test, feature = "cli"))]
pub fn plant<T>(defect: Option<Defect>, run: impl FnOnce() -> T) -> T {
    PLANTED.set(defect);
    let ran = run();
    PLANTED.set(None);
    ran
}

/// Runs something, without a defect.
#[cfg(all(not(test), feature = "cli"))]
pub fn plant<T>(_: Option<Defect>, run: impl FnOnce() -> T) -> T {
    run()
}
