//! Strings that are all plain and short: combined byte by byte, with no chunk made of each first.

use super::Op;
use crate::bits::View;

/// The longest, in bytes. What a chunk costs to make is soon less than what its kernels save.
const LONGEST: usize = 512;

/// The bytes of `op` over `sources`, if these are such strings; at least one, and one for [`Op::Not`].
pub fn combine_short(op: Op, sources: &[View<'_>]) -> Option<Vec<u8>> {
    let plain = |source: &View<'_>| match source {
        View::Flat(bytes) if bytes.len() <= LONGEST => Some(bytes.len()),
        _ => None,
    };
    let len = sources
        .iter()
        .map(plain)
        .try_fold(0, |len, each| Some(len.max(each?)))?;
    let mut sources = sources.iter().map(|source| match source {
        View::Flat(bytes) => *bytes,
        View::Chunked(_) => unreachable!("all are plain"),
    });
    let x = sources.next()?;
    let mut result = vec![0; len];
    // What there is at first; the operators about some Y begin with the Ys.
    if !matches!(op, Op::Diff1 | Op::AndOr) {
        result[..x.len()].copy_from_slice(x);
    }
    match op {
        Op::Not => result.iter_mut().for_each(|x| *x = !*x),
        Op::And => sources.for_each(|y| merge(&mut result, y, |x, y| x & y)),
        Op::Or | Op::Diff1 | Op::AndOr => {
            sources.for_each(|y| merge(&mut result, y, |any, y| any | y));
        }
        Op::Xor => sources.for_each(|y| merge(&mut result, y, |x, y| x ^ y)),
        Op::Diff => sources.for_each(|y| merge(&mut result, y, |x, y| x & !y)),
        Op::One => {
            let mut more = vec![0; len];
            for y in sources {
                let both = more.iter_mut().zip(&result).zip(y);
                both.for_each(|((more, once), y)| *more |= once & y);
                merge(&mut result, y, |once, y| once | y);
            }
            merge(&mut result, &more, |once, more| once & !more);
        }
    }
    match op {
        Op::Diff1 => merge(&mut result, x, |any, x| any & !x),
        Op::AndOr => merge(&mut result, x, |any, x| any & x),
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
