//! Strings that are all plain and short: combined byte by byte, with no chunk made of each first.

use super::Op;
use crate::bits::View;

/// The longest, in bytes: where plain strings of the keyspace end, and about where a chunk's kernels save more than making
/// it costs.
pub const SHORT: usize = 128;

/// The bytes of `op` over `sources`, in `room`, if these are such strings; at least one, and one for [`Op::Not`].
pub fn combine_short<'v, 'r>(
    op: Op,
    sources: impl Iterator<Item = View<'v>> + Clone,
    room: &'r mut [u8; SHORT],
) -> Option<&'r [u8]> {
    let mut plain = sources.map(|source| match source {
        View::Flat(bytes) if bytes.len() <= SHORT => Some(bytes),
        _ => None,
    });
    let len = plain
        .clone()
        .try_fold(0, |len, bytes| Some(len.max(bytes?.len())))?;
    let x = plain.next()??;
    let sources = plain.flatten();
    let result = &mut room[..len];
    result.fill(0);
    // What there is at first; the operators about some Y begin with the Ys.
    if !matches!(op, Op::Diff1 | Op::AndOr) {
        result[..x.len()].copy_from_slice(x);
    }
    match op {
        Op::Not => result.iter_mut().for_each(|x| *x = !*x),
        Op::And => sources.for_each(|y| merge(result, y, |x, y| x & y)),
        Op::Or | Op::Diff1 | Op::AndOr => {
            sources.for_each(|y| merge(result, y, |any, y| any | y));
        }
        Op::Xor => sources.for_each(|y| merge(result, y, |x, y| x ^ y)),
        Op::Diff => sources.for_each(|y| merge(result, y, |x, y| x & !y)),
        Op::One => {
            let mut more = [0; SHORT];
            let more = &mut more[..len];
            for y in sources {
                let both = more.iter_mut().zip(&*result).zip(y);
                both.for_each(|((more, once), y)| *more |= once & y);
                merge(result, y, |once, y| once | y);
            }
            merge(result, more, |once, more| once & !more);
        }
    }
    match op {
        Op::Diff1 => merge(result, x, |any, x| any & !x),
        Op::AndOr => merge(result, x, |any, x| any & x),
        _ => {}
    }
    Some(result)
}

/// Each byte becomes `op` of what it was and the byte of a source, zero where that one has ended.
#[inline]
fn merge(result: &mut [u8], source: &[u8], op: impl Fn(u8, u8) -> u8) {
    let (inside, past) = result.split_at_mut(source.len());
    inside
        .iter_mut()
        .zip(source)
        .for_each(|(result, byte)| *result = op(*result, *byte));
    past.iter_mut().for_each(|result| *result = op(*result, 0));
}
