//! Every operator against the oracle.

use super::*;
use crate::bits::oracle;

impl Op {
    /// All but NOT.
    pub const BINARY: [Self; 7] = [
        Op::And,
        Op::Or,
        Op::Xor,
        Op::Diff,
        Op::Diff1,
        Op::AndOr,
        Op::One,
    ];

    /// The result, bit by bit.
    pub fn by_oracle(self, sources: &[&[u8]]) -> Vec<u8> {
        oracle::combine(sources, |x, ys| match self {
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
}

#[test]
fn every_operator_over_every_pair_of_short_strings() {
    let strings = oracle::short_strings();
    for a in &strings {
        let not = combine(Op::Not, &[View::Flat(a)]);
        assert_eq!(
            View::Chunked(&not),
            View::Flat(&Op::Not.by_oracle(&[a])),
            "NOT {a:02x?}"
        );
        for b in strings.iter().step_by(29) {
            let chunked = Bitmap::from_bytes(b);
            for op in Op::BINARY {
                let got = combine(op, &[View::Flat(a), View::Chunked(&chunked)]);
                assert_eq!(
                    View::Chunked(&got),
                    View::Flat(&op.by_oracle(&[a, b])),
                    "{op:?} {a:02x?} {b:02x?}"
                );
            }
        }
    }
}

#[test]
fn any_number_of_sources_of_any_length() {
    let noise = oracle::noise(40_000);
    for sources in [1, 2, 3, 16, 17, 40] {
        for longest in [0, 31, 32, 33, 8192, 20_001] {
            let slices: Vec<&[u8]> = (0..sources)
                .map(|i| &noise[i * 7..][..longest / (i + 1)])
                .collect();
            let views: Vec<View<'_>> = slices.iter().map(|slice| View::Flat(slice)).collect();
            for op in Op::BINARY {
                let got = combine(op, &views);
                let want = op.by_oracle(&slices);
                assert!(
                    View::Chunked(&got) == View::Flat(&want),
                    "{op:?} {sources} {longest}"
                );
            }
        }
    }
}

/// One chunk of each kind, at its index.
fn kinds() -> Vec<Bitmap> {
    let mut random = oracle::Random::new(3);
    let mut kinds = vec![Bitmap::new()];
    let chunk = CHUNK_BYTES;
    let mut add = |bytes: &[u8]| kinds.push(Bitmap::from_bytes(bytes));
    add(&vec![0xff; chunk]);
    add(&vec![0xff; 700]);
    add(&oracle::noise(chunk));
    add(&oracle::noise(300));
    for (many, fill) in [(1, 0), (2, 0), (40, 0), (400, 0), (1500, 0), (1500, 0xff)] {
        let mut bytes = vec![fill; chunk];
        (0..many)
            .for_each(|_| bytes[random.below(chunk as u64) as usize] ^= 0x80 >> random.below(8));
        add(&bytes);
    }
    let mut runs = vec![0; chunk];
    (0..chunk)
        .step_by(997)
        .for_each(|at| runs[at..chunk.min(at + 400)].fill(0xff));
    add(&runs);
    kinds
}

#[test]
fn every_operator_over_every_pair_and_many_triples_of_forms() {
    let kinds = kinds();
    let flat: Vec<Vec<u8>> = kinds
        .iter()
        .map(|kind| View::Chunked(kind).to_vec())
        .collect();
    let check = |op: Op, which: &[usize]| {
        let got = combine(
            op,
            &which
                .iter()
                .map(|i| View::Chunked(&kinds[*i]))
                .collect::<Vec<_>>(),
        );
        got.check();
        let views: Vec<_> = which.iter().map(|i| View::Chunked(&kinds[*i])).collect();
        assert_eq!(
            count_combined(op, &views, u64::MAX, 1),
            got.ones(),
            "{op:?} over {which:?}"
        );
        let want = op.by_oracle(&which.iter().map(|i| &flat[*i][..]).collect::<Vec<_>>());
        assert!(
            View::Chunked(&got) == View::Flat(&want),
            "{op:?} over {which:?}"
        );
    };
    for a in 0..kinds.len() {
        check(Op::Not, &[a]);
        for b in 0..kinds.len() {
            for op in Op::BINARY {
                check(op, &[a, b]);
                if (a + b) % 7 == 0 {
                    check(op, &[a, b, (a * 7 + b * 3) % kinds.len()]);
                }
            }
        }
    }
    for op in Op::BINARY {
        check(
            op,
            &(0..kinds.len()).chain(0..kinds.len()).collect::<Vec<_>>(),
        );
    }
}

#[test]
fn one_source_alone_is_a_pointer_to_it() {
    let source = Bitmap::from_bytes(&oracle::noise(30_000));
    for op in [Op::And, Op::Or, Op::Xor, Op::One] {
        assert!(
            combine(op, &[View::Chunked(&source)]).same(&source),
            "{op:?}"
        );
    }
    let empty = Bitmap::new();
    for op in [Op::Or, Op::Xor, Op::One, Op::Diff] {
        assert!(
            combine(op, &[View::Chunked(&source), View::Chunked(&empty)]).same(&source),
            "{op:?}"
        );
    }
}

#[test]
fn far_and_huge_strings_are_combined_in_no_time() {
    let far = (1 << 63) - 1;
    let mut a = Bitmap::new();
    a.set(far, true);
    a.set(5, true);
    let mut b = Bitmap::new();
    b.set(far - 1, true);
    b.set(5, true);
    for (op, ones) in [
        (Op::And, 1),
        (Op::Or, 3),
        (Op::Xor, 2),
        (Op::Diff, 1),
        (Op::Diff1, 1),
        (Op::AndOr, 1),
        (Op::One, 2),
    ] {
        let got = combine(op, &[View::Chunked(&a), View::Chunked(&b)]);
        got.check();
        assert_eq!((got.ones(), got.len()), (ones, 1 << 60), "{op:?}");
        let views = [View::Chunked(&a), View::Chunked(&b)];
        assert_eq!(count_combined(op, &views, u64::MAX, 2), ones, "{op:?}");
    }
    let not = combine(Op::Not, &[View::Chunked(&a)]);
    not.check();
    assert_eq!(not.ones(), (1 << 63) - 2);
    assert!(!not.get(5) && not.get(6) && !not.get(far));
    assert_eq!(not.find(false, 6..u64::MAX), Some(far));
    assert!(
        not.heap_bytes() < 1 << 20 || not.shape().nodes < 256 * 256,
        "what is full is shared"
    );
    let back = combine(Op::Not, &[View::Chunked(&not)]);
    assert_eq!(back, a);
    // Full nodes that were made at different times.
    let other = combine(Op::Not, &[View::Chunked(&b)]);
    for (op, ones) in [
        (Op::And, (1 << 63) - 3),
        (Op::Or, (1 << 63) - 1),
        (Op::Xor, 2),
        (Op::One, 2),
        (Op::Diff, 1),
    ] {
        let got = combine(op, &[View::Chunked(&not), View::Chunked(&other)]);
        got.check();
        assert_eq!(got.ones(), ones, "{op:?}");
        let views = [View::Chunked(&not), View::Chunked(&other)];
        assert_eq!(count_combined(op, &views, u64::MAX, 1), ones, "{op:?}");
    }
    assert_eq!(
        combine(
            Op::Xor,
            &[
                View::Chunked(&not),
                View::Chunked(&other),
                View::Chunked(&not)
            ]
        ),
        other
    );
    assert_ne!(not, other);
}

#[test]
fn counting_stops_at_the_limit() {
    let noise = oracle::noise(1 << 16);
    let (a, b) = noise.split_at(1 << 15);
    let (chunked, views) = (Bitmap::from_bytes(a), [View::Flat(a), View::Flat(b)]);
    for op in Op::BINARY {
        let all = combine(op, &views).ones();
        for most in [1, 2, all - 1, all, all + 1, u64::MAX] {
            assert_eq!(
                count_combined(op, &views, most, 1),
                all.min(most),
                "{op:?} {most}"
            );
        }
    }
    let not = (1 << 18) - chunked.ones();
    assert_eq!(
        count_combined(Op::Not, &[View::Chunked(&chunked)], u64::MAX, 1),
        not
    );
    assert_eq!(count_combined(Op::Not, &[View::Chunked(&chunked)], 5, 1), 5);
    assert_eq!(
        count_combined(Op::Or, &[View::Flat(&[]), View::Flat(&[])], 5, 1),
        0
    );
}

/// Sources large enough to be shared, with empty stretches and full ones, and one that is as high but nearly empty.
#[test]
fn several_threads_make_what_one_makes() {
    let bits = 5 << 24;
    let mut sources: Vec<Bitmap> = (0..3u64)
        .map(|seed| {
            let mut random = oracle::Random::new(seed);
            let mut bitmap = Bitmap::new();
            for _ in 0..200 {
                let at = random.below(bits - (1 << 18));
                bitmap.set_range(at..at + random.below(1 << 18), true);
                bitmap.set(random.below(bits), true);
            }
            bitmap.set_range(seed << 24..(seed + 1) << 24, seed != 1);
            bitmap
        })
        .collect();
    sources.push(Bitmap::new());
    sources[3].set(bits + 12_345, true);
    let views: Vec<View<'_>> = sources.iter().map(View::Chunked).collect();
    let check = |op: Op, views: &[View<'_>]| {
        let one = combine(op, views);
        for threads in [2, 5] {
            let many = combine_on(threads, op, views);
            many.check();
            assert_eq!(many, one, "{op:?} on {threads} threads");
            assert_eq!(
                count_combined(op, views, u64::MAX, threads),
                one.ones(),
                "{op:?}"
            );
            let half = one.ones() / 2;
            assert_eq!(count_combined(op, views, half, threads), half, "{op:?}");
        }
    };
    for op in Op::BINARY {
        check(op, &views[..2]);
        check(op, &views);
    }
    check(Op::Not, &views[..1]);
    check(Op::Not, &views[3..]);
}

#[test]
fn not_stops_at_the_last_byte() {
    for len in [1, 2, 100, 8191, 8192, 8193, 16_384, 20_000] {
        let mut zeros = Bitmap::new();
        zeros.grow(len);
        let not = combine(Op::Not, &[View::Chunked(&zeros)]);
        not.check();
        assert_eq!((not.ones(), not.len()), (len * 8, len));
    }
}
