//! One value by itself: what DUMP gives and RESTORE takes.
//!
//! ```text
//! type, value as in a file, version u16 le, checksum u64 le of all before it
//! ```

use super::error::Error;
use super::format::{NEWEST, STRING, WRITTEN};
use super::input::Input;
use super::output::Output;
use super::reader::{Loaded, read_string};
use super::{checksum, skip};
use crate::bits::View;

/// What follows the value.
const FOOTER: usize = 2 + 8;

/// The payload of a string. Its version is that of Redis 7.0, whose payloads of strings are those of 8.2.
pub fn dump(value: View<'_>, compress: bool) -> Vec<u8> {
    const MEMORY: &str = "memory takes what is written";
    let mut output = Output::new(Vec::new(), true);
    output.put(&[STRING]).expect(MEMORY);
    output.string(value, compress).expect(MEMORY);
    output.put(&WRITTEN.to_le_bytes()).expect(MEMORY);
    let sum = output.sum().expect(MEMORY);
    output.put(&sum.to_le_bytes()).expect(MEMORY);
    output.flush().expect(MEMORY);
    output.into_sink()
}

/// Why a payload is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Its version is newer than any known, or its checksum is not that of its bytes.
    Footer,
    /// It is no value.
    Format,
    /// It needs more memory than it may have.
    Room,
    /// It is a value that is not a string: its type, as [`Kinds`](super::Kinds) names it.
    Type(&'static str),
}

/// Shows `take` the value of a payload. As in Redis, bytes after the value do not matter, and one that is announced longer
/// than it is goes on in the footer.
///
/// A string that is compressed may be far longer than the payload: `room` is asked with every mebibyte whether there may be
/// more of it.
pub fn restore<T>(
    payload: &[u8],
    room: &mut dyn FnMut() -> bool,
    take: impl FnOnce(Loaded<'_>) -> T,
) -> Result<T, Refused> {
    let (_, footer) = payload
        .split_last_chunk::<FOOTER>()
        .ok_or(Refused::Footer)?;
    let version = u16::from_le_bytes([footer[0], footer[1]]);
    let mut sum = checksum();
    sum.update(&payload[..payload.len() - 8]);
    if version > NEWEST || footer[2..] != sum.finalize().to_le_bytes() {
        return Err(Refused::Footer);
    }
    let (kind, value) = payload.split_first().ok_or(Refused::Format)?;
    let mut input = Input::new(value);
    if *kind != STRING {
        let name = skip::name(*kind).ok_or(Refused::Format)?;
        skip::skip(&mut input, *kind).map_err(|_| Refused::Format)?;
        return Err(Refused::Type(name));
    }
    let mut scratch = Vec::new();
    let loaded = read_string(&mut input, &mut scratch, room).map_err(|error| match error {
        Error::Room => Refused::Room,
        _ => Refused::Format,
    })?;
    Ok(take(loaded))
}
