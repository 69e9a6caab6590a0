//! The targets of the checked log: logs and tables against naive readers, and the service against the written
//! contract.

mod model;
#[cfg(test)]
mod seeds;
mod service;
mod table;
mod wal;

pub use service::service;
pub use table::table;
pub use wal::wal;
