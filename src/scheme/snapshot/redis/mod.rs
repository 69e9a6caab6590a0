//! Redis at the ends of a stream (feature `redis`): one database of a server, read and replaced by commands.
//!
//! The reference asks a server for `BGREWRITEAOF` and reads its `appendonly.aof` a second later. From Redis 7
//! on, that is a folder of several files with a manifest, so there is no such file to read; and before, the
//! reference did not wait for the rewrite. Here, [`RedisSource`] pauses writes and reads every key with
//! `SCAN`, `DUMP` and its time to live. [`RedisSink`] restores into a spare database, and one `SWAPDB` puts
//! that in place of the old one. A broken transfer leaves the old data.
//!
//! Needs Redis 6.2 (`CLIENT PAUSE ... WRITE`) for a source, Redis 5 for a sink, and no cluster, which has
//! only one database. From Redis 7 on expiry times are copied exactly; before, they may be a few milliseconds
//! off. A server restores what one of its own version or an older one dumped. Tested with Redis 7.0.15.
//!
//! What travels is described in [`stream`]. Not copied: functions, access control lists, the other databases.

mod pause;
mod sink;
mod source;
pub mod stream;

use std::fmt;
use std::time::Duration;

use ::redis::{Client, Connection, IntoConnectionInfo, RedisResult};

use super::BoxError;
pub use sink::{MARK, RedisSink};
pub use source::RedisSource;

/// The longest wait for a server's answer. A dump of a large value takes a while.
const ANSWER: Duration = Duration::from_secs(60);
/// The longest wait for a connection.
const DIAL: Duration = Duration::from_secs(10);

/// A database of a server.
#[derive(Clone)]
pub struct Database {
    client: Client,
    shown: String,
    index: i64,
}

impl Database {
    /// The database that a URL names: `redis://[user:password@]host[:port][/index]`. A password that is not
    /// in the URL may be given apart, to keep it out of lists of processes.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub fn parse(url: &str, password: Option<&str>) -> Result<Self, BoxError> {
        // The library's reason could quote the password.
        let info = url.into_connection_info().map_err(|error| match error.detail() {
            Some(detail) if !detail.contains('@') => format!("this is no URL of a Redis server: {detail}"),
            _ => "this is no URL of a Redis server: write redis://host:port/index".to_owned(),
        })?;
        let mut settings = info.redis_settings().clone();
        if let (None, Some(password)) = (settings.password(), password) {
            settings = settings.set_password(password);
        }
        let (index, shown) = (settings.db(), format!("{}/{}", info.addr(), settings.db()));
        let info = info.set_redis_settings(settings);
        Ok(Self { client: Client::open(info)?, shown: format!("redis://{shown}"), index })
    }

    /// Its number.
    pub const fn index(&self) -> i64 {
        self.index
    }

    /// A connection with this database selected.
    fn connect(&self) -> Result<Connection, BoxError> {
        self.selecting(self.index)
    }

    /// A connection to its server with another database selected.
    fn selecting(&self, index: i64) -> Result<Connection, BoxError> {
        let at = |error| self.failed("connecting", error);
        let mut connection = self.client.get_connection_with_timeout(DIAL).map_err(at)?;
        connection.set_read_timeout(Some(ANSWER)).map_err(at)?;
        connection.set_write_timeout(Some(ANSWER)).map_err(at)?;
        ::redis::cmd("SELECT")
            .arg(index)
            .exec(&mut connection)
            .map_err(|error| self.failed(&format!("selecting database {index}"), error))?;
        Ok(connection)
    }

    /// An error that names the server and what was being done.
    fn failed(&self, doing: &str, error: ::redis::RedisError) -> BoxError {
        format!("{self}: {doing}: {error}").into()
    }

    /// The same for a result.
    fn within<T>(&self, doing: &str, result: RedisResult<T>) -> Result<T, BoxError> {
        result.map_err(|error| self.failed(doing, error))
    }
}

/// Its address and number, without user and password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_server_and_a_database_and_its_password_is_never_shown() {
        for (url, shown, index) in [
            ("redis://127.0.0.1:7000/3", "redis://127.0.0.1:7000/3", 3),
            ("redis://localhost", "redis://localhost:6379/0", 0),
            ("redis://user:secret@localhost:1/2", "redis://localhost:1/2", 2),
        ] {
            let database = Database::parse(url, Some("another")).unwrap();
            assert_eq!((database.to_string(), database.index()), (shown.to_owned(), index));
            assert_eq!(format!("{database:?}"), format!("Database({shown})"));
        }
        for url in ["localhost:6379", "http://localhost", "redis://user:secret@localhost/x", "redis://a:b@:x"]
        {
            let refused = Database::parse(url, None).unwrap_err().to_string();
            assert!(refused.contains("no URL of a Redis server"), "{refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
    }

    #[test]
    fn a_server_that_is_not_there_is_named() {
        let refused = Database::parse("redis://127.0.0.1:1/0", None).unwrap().connect().err().unwrap();
        assert!(refused.to_string().starts_with("redis://127.0.0.1:1/0: connecting: "), "{refused}");
    }
}
