//! What a command can answer instead of a result: one variant per cause, and its text is Redis's, to the byte.

use std::borrow::Cow;

use crate::resp::Reply;

/// Why a command was refused. `Display` is the error line without the leading `-`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CmdError {
    /// The name as the table has it: lower case, `container|subcommand` for a subcommand.
    #[error("ERR wrong number of arguments for '{0}' command")]
    Arity(&'static str),
    #[error("ERR syntax error")]
    Syntax,
    #[error("ERR value is not an integer or out of range")]
    NotAnInteger,
    #[error("ERR value is not a valid float")]
    NotAFloat,
    #[error("ERR value is out of range")]
    OutOfRange,
    #[error("ERR value is out of range, must be positive")]
    NotPositive,
    #[error("ERR bit offset is not an integer or out of range")]
    BitOffset,
    #[error("ERR bit is not an integer or out of range")]
    BitValue,
    #[error("ERR The bit argument must be 1 or 0.")]
    BitArgument,
    #[error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")]
    TooLong,
    #[error("OOM command not allowed when used memory > 'maxmemory'.")]
    OutOfMemory,
    #[error("ERR no such key")]
    NoSuchKey,
    #[error("ERR value is out of range, value must between -2147483648 and 2147483647")]
    NotAnInt,
    #[error("ERR source and destination objects are the same")]
    SameObject,
    #[error("ERR DB index is out of range")]
    DbIndex,
    #[error("ERR invalid DB index")]
    InvalidDbIndex,
    #[error("ERR invalid expire time in '{0}' command")]
    ExpireTime(&'static str),
    /// The name of a command that a connection in RESP2 may not send while it is subscribed.
    #[error(
        "ERR Can't execute '{0}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
    )]
    Subscribed(&'static str),
    #[error("NOAUTH Authentication required.")]
    NoAuth,
    #[error("WRONGPASS invalid username-password pair or user is disabled.")]
    WrongPass,
    /// A text that quotes the client's own bytes.
    #[error("{}", String::from_utf8_lossy(.0))]
    Quoting(Vec<u8>),
    /// Anything said in one place only.
    #[error("{0}")]
    Other(Cow<'static, str>),
}

impl CmdError {
    /// An error said in one place only, with its code (`ERR ...`).
    pub fn other(text: impl Into<Cow<'static, str>>) -> Self {
        CmdError::Other(text.into())
    }
}

impl From<CmdError> for Reply {
    fn from(error: CmdError) -> Self {
        match error {
            CmdError::Quoting(text) => Reply::Error(text.into()),
            CmdError::Other(Cow::Borrowed(text)) => Reply::Error(text.into()),
            known => Reply::Error(known.to_string().into()),
        }
    }
}
