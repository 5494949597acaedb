use super::*;
use crate::store::entry::Content;
use crate::store::value::Encoding;

fn entry(name: u32) -> Entry {
    Entry::new(
        &name.to_le_bytes(),
        None,
        0,
        Content::Flat(&[], Encoding::Raw),
    )
}

fn fill(segment: &mut Segment, fingerprint: u32, name: u32) {
    let mut new = entry(name);
    while let Err(refused) = segment.insert(fingerprint, new) {
        new = refused;
        segment.grow();
    }
    segment.check();
}

#[test]
fn fingerprints_at_both_ends_and_equal_ones_have_room() {
    for fingerprint in [0, 1, LAST_FINGERPRINT - 1, LAST_FINGERPRINT] {
        let mut segment = Segment::new();
        for name in 0..1500 {
            fill(&mut segment, fingerprint, name);
        }
        for name in 0..1500u32 {
            let at = segment
                .find(fingerprint, &name.to_le_bytes())
                .expect("it was put there");
            assert_eq!(segment.entry(at).key(), name.to_le_bytes());
        }
        assert_eq!(segment.find(fingerprint, b"other"), None);
        assert_eq!(segment.iter_from(fingerprint).count(), 1500);
    }
}

#[test]
fn a_segment_is_small_for_what_it_holds_however_many_that_is() {
    let mut segment = Segment::new();
    for name in 0..most(MAX_SLOTS) as u32 {
        fill(&mut segment, name.wrapping_mul(0x9e37_79b9), name);
        let spare = segment.slots() - segment.len();
        assert!(
            segment.len() < 48 || spare * 10 <= segment.slots() * 4,
            "{} in {}",
            segment.len(),
            segment.slots()
        );
    }
    assert!(segment.slots() <= MAX_SLOTS * 5 / 4);
}

#[test]
fn a_split_divides_by_the_next_bit_and_a_join_undoes_it() {
    let mut segment = Segment::new();
    for name in 0..500u32 {
        fill(&mut segment, name.wrapping_mul(0x9e37_79b9), name);
    }
    let before: Vec<u32> = segment
        .iter_from(0)
        .map(|(fingerprint, _)| fingerprint)
        .collect();
    let mut upper = segment.split();
    let top = upper.split();
    for (part, first, depth) in [
        (&segment, 0, 1),
        (&upper, 0x8000_0000, 2),
        (&top, 0xc000_0000, 2),
    ] {
        part.check();
        assert_eq!((part.first(), part.depth()), (first, depth));
    }
    upper.join(top);
    segment.join(upper);
    segment.check();
    assert!(
        segment
            .iter_from(0)
            .map(|(fingerprint, _)| fingerprint)
            .eq(before)
    );
}

#[test]
fn what_is_due_goes_and_the_soonest_left_is_known() {
    let mut segment = Segment::new();
    for name in 0..300u32 {
        fill(&mut segment, name.wrapping_mul(0x9e37_79b9), name);
    }
    for name in 0..300u32 {
        let at = segment
            .find(name.wrapping_mul(0x9e37_79b9), &name.to_le_bytes())
            .expect("it was put there");
        segment.set_expiry(at, (name % 3 != 0).then_some(1000 + i64::from(name)));
    }
    assert_eq!(segment.soonest(), 1001);
    let mut gone = 0;
    segment.remove_due(1100, &mut |entry| {
        assert!(entry.expires_at().is_some_and(|at| at <= 1100));
        gone += 1;
    });
    segment.check();
    assert_eq!((gone, segment.len(), segment.soonest()), (67, 233, 1101));
}
