//! Errors: in words ([`chain`]), and on record.
//!
//! A failure is recorded where it is known: the statement that puts a failed attempt, a dead letter or a failed run of a job on record
//! counts it in the table `errors`, too (`record_error` of migration 0018): in the same transaction, in no round trip of its own, and
//! without ever failing it. There is a row for each kind of failure, found by its fingerprint; [`title()`] is what makes two texts the
//! same. The worker tells the error tracker what is news ([`flush()`]).
//!
//! Deliberately absent: stack traces (a caught panic has none, and an error of a handler is words), what a request looked like, and
//! anything that could be a payload.

mod flush;
mod kind;
mod title;
mod words;

pub use flush::flush;
pub use kind::Kind;
pub use title::title;
pub use words::chain;
