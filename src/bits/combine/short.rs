//! Strings that are all plain and short: combined byte by byte, with no chunk made of each first.

use super::Op;
use crate::bits::{Bitmap, View};

/// The longest, in bytes. What a chunk costs to make is soon less than what its kernels save.
const LONGEST: usize = 512;

/// `op` over `sources`, if they are such strings and there is one at least.
pub fn combine(op: Op, sources: &[View<'_>]) -> Option<Bitmap> {
    let plain = |source: &View<'_>| match source {
        View::Flat(bytes) if bytes.len() <= LONGEST => Some(bytes.len()),
        _ => None,
    };
    let len = sources
        .iter()
        .map(plain)
        .try_fold(0, |len, each| Some(len.max(each?)))?;
    let (x, ys) = sources.split_first()?;
    let x = fold(len, &[*x], |_, x| x);
    let any = |ys| fold(len, ys, |any, y| any | y);
    let both = |mut x: Vec<u8>, y: Vec<u8>, op: fn(u8, u8) -> u8| {
        x.iter_mut().zip(y).for_each(|(x, y)| *x = op(*x, y));
        x
    };
    let bytes = match op {
        Op::Not => x.into_iter().map(|x| !x).collect(),
        // In all is what none lacks.
        Op::And => both(x, fold(len, ys, |lacks, y| lacks | !y), |x, lacks| {
            x & !lacks
        }),
        Op::Or => both(x, any(ys), |x, any| x | any),
        Op::Xor => both(x, fold(len, ys, |odd, y| odd ^ y), |x, odd| x ^ odd),
        Op::Diff => both(x, any(ys), |x, any| x & !any),
        Op::Diff1 => both(x, any(ys), |x, any| any & !x),
        Op::AndOr => both(x, any(ys), |x, any| x & any),
        Op::One => {
            let (mut once, mut more) = (x, vec![0; len]);
            for y in ys {
                let y = fold(len, &[*y], |_, y| y);
                for ((once, more), y) in once.iter_mut().zip(&mut more).zip(y) {
                    *more |= *once & y;
                    *once |= y;
                }
            }
            both(once, more, |once, more| once & !more)
        }
    };
    Some(Bitmap::from_bytes(&bytes))
}

/// Each byte of the result is `op` of what it was (0 at first) and the byte of one source after another, zero where that
/// one has ended.
fn fold(len: usize, sources: &[View<'_>], op: impl Fn(u8, u8) -> u8) -> Vec<u8> {
    let mut result = vec![0; len];
    for source in sources {
        let View::Flat(bytes) = source else { continue };
        let (inside, past) = result.split_at_mut(bytes.len());
        inside
            .iter_mut()
            .zip(*bytes)
            .for_each(|(result, byte)| *result = op(*result, *byte));
        past.iter_mut().for_each(|result| *result = op(*result, 0));
    }
    result
}
