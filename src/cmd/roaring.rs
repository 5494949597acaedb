//! Bitmaps to and from other programs: BITEXPORT, BITIMPORT.

use super::aside::{self, LONG};
use super::{Args, CmdError, CmdResult, Context, bitlog, bitop, ceiling};
use crate::bits::{self, Bitmap, MOST_ONES, Op, Portable, Refused, View};
use crate::persist::rdb;
use crate::resp::{Reply, Source};
use crate::store::Value;

/// The longest serialization that is made at once, in bytes. A longer one is made while it is sent.
const COPY_MAX: u64 = 32 * 1024;

/// `BITEXPORT key`: the positions of the ones as a portable Roaring serialization: the 32-bit format, or the 64-bit one
/// where a position needs it. nil for a missing key.
pub(super) fn bitexport(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let request = args.request();
    let key = args.take()?;
    if cx.look(key).is_none() {
        return Ok(Reply::Null);
    }
    let key = std::iter::once(key);
    let long = aside::weight(cx, key.clone()) > LONG;
    let portable = aside::look(cx, request, key, long, |_, views| Portable::of(views[0]));
    let portable = portable.ok_or_else(|| {
        CmdError::other(format!(
            "ERR too many ones to be exported, {MOST_ONES} is the limit"
        ))
    })?;
    if portable.len() > COPY_MAX {
        return Ok(Reply::Stream(Box::new(portable)));
    }
    let mut bytes = vec![0; portable.len() as usize];
    portable.read(0, &mut bytes);
    Ok(Reply::bulk(bytes))
}

impl Source for Portable {
    fn len(&self) -> u64 {
        self.len()
    }

    fn read(&self, at: u64, into: &mut [u8]) {
        self.read(at, into);
    }
}

/// `BITIMPORT key blob [REPLACE | AND | OR | XOR | DIFF]`: makes a portable Roaring serialization the value of the key, or
/// combines it with the value there is. Replies the number of ones that the key has then.
///
/// A value that is replaced ends with the byte of the blob's last one, and loses its expiry; one that is combined is as
/// long as BITOP would make it, and keeps it. Where nothing is left, not even zeros, the key is deleted. DIFF takes the
/// blob's ones out of the key's.
pub(super) fn bitimport(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let request = args.request();
    let key = args.take()?;
    let blob = args.take()?;
    let op = take_mode(&mut args)?;
    args.finish()?;

    cx.expect(request, |_| 2 * blob.len() as u64)?;
    let limit = cx.world.config.proto_max_bulk_len().saturating_mul(8);
    let long = blob.len() as u64 > LONG;
    let logs = cx.block.is_some();
    let imported = aside::work(cx, request, long, || {
        let imported = bits::parse_portable(blob, limit)?;
        let payload = logs.then(|| payload(&imported));
        Ok::<_, Refused>((imported, payload))
    });
    let (imported, prepared) = imported.map_err(|refused| match refused {
        Refused::TooFar => CmdError::TooLong,
        Refused::Malformed { .. } => CmdError::other(format!(
            "ERR not a portable Roaring serialization: {refused}"
        )),
    })?;

    if op.is_some() {
        cx.expect(request, |cx| {
            combined(cx, key, &imported, blob.len() as u64)
        })?;
    }
    let (result, expires_at) = match op {
        None => (imported.clone(), None), // a pointer
        Some((_, op)) => {
            let keys = std::iter::once(key);
            let new = View::Chunked(&imported);
            let weighs = aside::weight(cx, keys.clone()) + blob.len() as u64;
            let long = weighs > LONG;
            let result = aside::look_and_keep(cx, request, keys, long, |world, views| {
                bitop::on_cores(world, weighs, |threads| {
                    bits::combine_on(threads, op, &[views[0], new])
                })
            });
            let expires_at = cx.peek(key).and_then(|entry| entry.expires_at());
            (result, expires_at)
        }
    };
    let ones = result.ones();
    if result.is_empty() {
        if cx.remove(key).is_some() {
            cx.changed("del", key);
            cx.log_as(|say| say(&[b"DEL", key]));
        }
    } else {
        cx.put(key, Value::from(result), expires_at);
        cx.changed("set", key);
        cx.log_as(|say| {
            // The log may have been switched on since.
            let payload = prepared.unwrap_or_else(|| payload(&imported));
            bitlog::import(say, key, op.map(|(name, _)| name), &payload, expires_at);
        });
    }
    if op.is_some() {
        cx.world.free(vec![imported]);
    }
    Ok(Reply::Integer(ones as i64))
}

/// What the log holds of an imported bitmap.
fn payload(imported: &Bitmap) -> Vec<u8> {
    rdb::dump(View::Chunked(imported), true)
}

/// The most bytes that combining a blob of `size` bytes with the key takes: the chunks that both have are made anew.
fn combined(cx: &Context<'_>, key: &[u8], new: &Bitmap, size: u64) -> u64 {
    /// A container of the blob, with where it is, and the chunk that it is merged into.
    const CONTAINER: u64 = 8;
    const CHUNK: u64 = 8192;
    let Some(entry) = cx.peek(key) else { return 0 };
    let (len, ones) = (entry.view().len(), entry.view().ones());
    let whole = ceiling::most_bytes(len.max(new.len()), ones.saturating_add(new.ones()));
    whole.min((size / CONTAINER + 1) * CHUNK)
}

/// What is done with the value there is: None where it is replaced.
fn take_mode(args: &mut Args<'_>) -> Result<Option<(&'static str, Op)>, CmdError> {
    if args.is_empty() || args.take_word("REPLACE") {
        return Ok(None);
    }
    [
        ("AND", Op::And),
        ("OR", Op::Or),
        ("XOR", Op::Xor),
        ("DIFF", Op::Diff),
    ]
    .into_iter()
    .find(|(name, _)| args.take_word(name))
    .map(Some)
    .ok_or(CmdError::Syntax)
}

#[cfg(test)]
#[path = "roaring_tests.rs"]
mod tests;
