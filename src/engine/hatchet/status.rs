//! What a status of gRPC means for whoever called: one table for all calls.

use tonic::Code;

/// The next move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The engine, its database or the way there is in trouble: the same call again, later.
    Again,
    /// The engine does not know what the call is about.
    Unknown,
    /// It does not take the token. It says so also while it can't reach its database.
    Refused,
    /// The same call will fail again.
    Wrong,
}

/// What `code` means.
pub(super) fn meaning(code: Code) -> Meaning {
    match code {
        Code::Unauthenticated | Code::PermissionDenied => Meaning::Refused,
        Code::NotFound => Meaning::Unknown,
        Code::InvalidArgument | Code::Unimplemented | Code::AlreadyExists => Meaning::Wrong,
        // A heartbeat without a stream (FailedPrecondition) and a message over the limit (OutOfRange) are cured by a new
        // stream; the engine calls "internal" whatever has no status of its own.
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => Meaning::Again,
    }
}
