//! What a caller does next, in words that gRPC and HTTP share.

/// What a caller does next, in words that gRPC and HTTP share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    /// Correct the request.
    InvalidArgument,
    /// Ask for something that exists.
    NotFound,
    /// Ask for another moment, or the offline store.
    FailedPrecondition,
    /// Ask for less at once.
    ResourceExhausted,
    /// Ask again later: the server is busy.
    Overloaded,
    /// Ask again later: the store is not there.
    Unavailable,
    /// Ask again later: the time was up.
    DeadlineExceeded,
    /// Ask somebody else: this is not done here.
    Unimplemented,
    /// Tell the operator.
    Internal,
    /// Say who you are.
    Unauthenticated,
    /// Have somebody allow it.
    PermissionDenied,
}

impl Code {
    /// Each once, in the order of their declaration.
    pub(crate) const ALL: [Code; 11] = [
        Code::InvalidArgument,
        Code::NotFound,
        Code::FailedPrecondition,
        Code::ResourceExhausted,
        Code::Overloaded,
        Code::Unavailable,
        Code::DeadlineExceeded,
        Code::Unimplemented,
        Code::Internal,
        Code::Unauthenticated,
        Code::PermissionDenied,
    ];

    /// The name that HTTP shows.
    pub const fn name(self) -> &'static str {
        match self {
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::NotFound => "NOT_FOUND",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::Overloaded => "OVERLOADED",
            Code::Unavailable => "UNAVAILABLE",
            Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Code::Unimplemented => "UNIMPLEMENTED",
            Code::Internal => "INTERNAL",
            Code::Unauthenticated => "UNAUTHENTICATED",
            Code::PermissionDenied => "PERMISSION_DENIED",
        }
    }
}
