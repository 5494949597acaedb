//! What a client can send that cannot be read as a request. Each of these ends the connection.

use super::reply::{Blob, Reply};

/// Bytes that are not a request. The caller sends [`ProtocolError::reply`] after the replies already due, then closes.
///
/// `Display` is the text that follows `Protocol error: `, with a byte that is not printable shown escaped. The reply
/// holds that byte as it came, which is what Redis sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// An inline request with no end of line within the limit.
    #[error("too big inline request")]
    InlineTooLong,
    /// An inline request whose quotes do not close, or close in the middle of a word.
    #[error("unbalanced quotes in request")]
    UnbalancedQuotes,
    /// A `*` line with no end within the limit.
    #[error("too big mbulk count string")]
    CountTooLong,
    /// A `*` line that is not an integer, or above 2^31-1.
    #[error("invalid multibulk length")]
    InvalidCount,
    /// More than ten arguments before the client has authenticated.
    #[error("unauthenticated multibulk length")]
    UnauthenticatedCount,
    /// A `$` line with no end within the limit.
    #[error("too big bulk count string")]
    BulkLengthTooLong,
    /// A `$` line that is not an integer, is negative, or is above `proto-max-bulk-len`.
    #[error("invalid bulk length")]
    InvalidBulkLength,
    /// An argument above 16 KiB before the client has authenticated.
    #[error("unauthenticated bulk length")]
    UnauthenticatedBulkLength,
    /// An argument that starts with this byte and not with `$`.
    #[error("expected '$', got '{}'", .0.escape_ascii())]
    ExpectedBulk(u8),
}

impl ProtocolError {
    /// The error as the client sees it, `ERR Protocol error: ` included.
    pub fn reply(self) -> Reply {
        let mut text = b"ERR Protocol error: ".to_vec();
        match self {
            Self::ExpectedBulk(byte) => {
                text.extend_from_slice(b"expected '$', got '");
                text.push(byte);
                text.push(b'\'');
            }
            other => text.extend_from_slice(other.to_string().as_bytes()),
        }
        Reply::Error(Blob::from(text))
    }
}
