//! What sort of failure it was.

/// Stored, shown, and part of the fingerprint: a name stays when the code moves. There is one more, `crash`: a runner or a job that was
/// killed, which only the statements that find it name (executions/sql, jobs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A handler said so, or its commit failed.
    Handler,
    /// A handler panicked.
    Panic,
    /// A handler did not finish in time.
    Timeout,
    /// Data that is not what its type promises, or that nobody takes any more.
    InvalidData,
    /// A run of a job.
    Job,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::Panic => "panic",
            Self::Timeout => "timeout",
            Self::InvalidData => "invalid_data",
            Self::Job => "job",
        }
    }
}
