//! The wire, both directions: bytes to requests, replies to bytes.
//!
//! A request is a list of byte strings and nothing more: what the words mean, which keys they name and whether the
//! caller may say them are not known here. Nor are sockets: [`Parser`] is handed the bytes that have arrived, and
//! [`Output`] hands out the bytes that may leave.
//!
//! - [`request`]: one request, borrowed from the read buffer or owned.
//! - [`parser`]: the bytes of a connection cut into requests; [`inline`] for those typed by hand.
//! - [`error`]: what ends a connection.
//! - [`reply`]: what a command answers.
//! - [`output`]: answers as bytes, in RESP2 or RESP3; [`double`] for the one number whose text is not obvious, [`integers`]
//!   for many at once.
//!
//! Requests are not decoded by redis-protocol, which encodes the replies: decoding there allocates or walks a frame
//! tree (ten times the time of the parser here on a four-word request), follows nested arrays without a limit, and
//! knows neither inline requests nor Redis's own error texts.

pub mod double;
pub mod error;
pub mod inline;
pub mod integers;
pub mod output;
pub mod parser;
pub mod reply;
pub mod request;

pub use error::ProtocolError;
pub use integers::Integers;
pub use output::Output;
pub use parser::{Limits, Parser, Room};
pub use reply::{Blob, Fields, Reply, Source, Version};
pub use request::{OwnedRequest, Request};
