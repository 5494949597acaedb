//! BITOP: one string out of any number.

use super::View;
use super::bitmap::{Bitmap, CHUNK_BYTES};

/// A bitwise operator over sources X, Y1, Y2 and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// In all of them.
    And,
    /// In at least one.
    Or,
    /// In an odd number of them.
    Xor,
    /// Not in X, the only source.
    Not,
    /// In X and in no Y.
    Diff,
    /// In some Y but not in X.
    Diff1,
    /// In X and in some Y.
    AndOr,
    /// In exactly one of them.
    One,
}

/// `op` over `sources`, each padded with zeros to the longest, whose length the result has.
///
/// Panics when [`Op::Not`] is given other than one source.
pub fn combine(op: Op, sources: &[View<'_>]) -> Bitmap {
    assert!(op != Op::Not || sources.len() == 1, "NOT has one source");
    let len = sources.iter().map(View::len).max().unwrap_or(0);
    let mut result = Bitmap::new();
    result.grow(len);
    let (mut first, mut any, mut more, mut other) = (
        [0; CHUNK_BYTES],
        [0; CHUNK_BYTES],
        [0; CHUNK_BYTES],
        [0; CHUNK_BYTES],
    );
    for at in (0..len).step_by(CHUNK_BYTES) {
        sources[0].read(at, &mut first);
        if op == Op::Not {
            first.iter_mut().for_each(|byte| *byte = !*byte);
        }
        any.fill(0); // in some Y
        more.fill(0); // in more than one source
        for source in &sources[1..] {
            source.read(at, &mut other);
            for i in 0..CHUNK_BYTES {
                match op {
                    Op::And => first[i] &= other[i],
                    Op::Or => first[i] |= other[i],
                    Op::Xor => first[i] ^= other[i],
                    Op::Not => unreachable!("one source"),
                    Op::Diff | Op::Diff1 | Op::AndOr => any[i] |= other[i],
                    Op::One => {
                        more[i] |= (first[i] | any[i]) & other[i];
                        any[i] |= other[i];
                    }
                }
            }
        }
        for i in 0..CHUNK_BYTES {
            match op {
                Op::And | Op::Or | Op::Xor | Op::Not => {}
                Op::Diff => first[i] &= !any[i],
                Op::Diff1 => first[i] = any[i] & !first[i],
                Op::AndOr => first[i] &= any[i],
                Op::One => first[i] = (first[i] | any[i]) & !more[i],
            }
        }
        let here = (len - at).min(CHUNK_BYTES as u64) as usize;
        result.write(at, &first[..here]);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::oracle;

    pub(super) fn expected(op: Op, sources: &[&[u8]]) -> Vec<u8> {
        oracle::combine(sources, |x, ys| match op {
            Op::And => x && ys == sources.len() - 1,
            Op::Or => x || ys > 0,
            Op::Xor => x ^ (ys % 2 == 1),
            Op::Not => !x,
            Op::Diff => x && ys == 0,
            Op::Diff1 => !x && ys > 0,
            Op::AndOr => x && ys > 0,
            Op::One => usize::from(x) + ys == 1,
        })
    }

    const OPS: [Op; 7] = [
        Op::And,
        Op::Or,
        Op::Xor,
        Op::Diff,
        Op::Diff1,
        Op::AndOr,
        Op::One,
    ];

    #[test]
    fn every_operator_over_every_pair_of_short_strings() {
        let strings = oracle::short_strings();
        for a in &strings {
            assert_eq!(
                View::Chunked(&combine(Op::Not, &[View::Flat(a)])),
                View::Flat(&expected(Op::Not, &[a]))
            );
            for b in strings.iter().step_by(7) {
                let chunked = Bitmap::from_bytes(b);
                for op in OPS {
                    let got = combine(op, &[View::Flat(a), View::Chunked(&chunked)]);
                    assert_eq!(
                        View::Chunked(&got),
                        View::Flat(&expected(op, &[a, b])),
                        "{op:?} {a:02x?} {b:02x?}"
                    );
                }
            }
        }
    }

    #[test]
    fn any_number_of_sources_of_any_length() {
        let noise = oracle::noise(40_000);
        for sources in [1, 2, 3, 16, 17] {
            for longest in [0, 31, 32, 33, 8192, 20_001] {
                let slices: Vec<&[u8]> = (0..sources)
                    .map(|i| &noise[i * 7..][..longest / (i + 1)])
                    .collect();
                let views: Vec<View<'_>> = slices.iter().map(|slice| View::Flat(slice)).collect();
                for op in OPS {
                    let got = combine(op, &views);
                    assert_eq!(
                        View::Chunked(&got),
                        View::Flat(&expected(op, &slices)),
                        "{op:?} {sources} {longest}"
                    );
                }
            }
        }
    }
}
