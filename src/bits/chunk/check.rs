//! What holds of every chunk.

use super::{CHUNK_BYTES, Form, Slot, Tag, form, kernels, to_page};

/// Panics where the chunk is not as it must be.
///
/// - A chunk with ones is not absent, and its slot tells their number.
/// - Positions ascend; runs ascend and do not touch; kept bytes are as many as the masks say, where the starts say, and
///   none equals the fill; bytes after the plain ones are zeros.
/// - A list is not longer than its block.
pub fn check(slot: &Slot) {
    match form(slot) {
        Form::Absent => return,
        Form::Array(ones) => {
            assert!(
                !ones.is_empty() && ones.is_sorted_by(|a, b| a < b),
                "positions ascend"
            );
        }
        Form::Runs(runs) => {
            assert!(
                !runs.is_empty() && runs.iter().all(|[first, last]| first <= last),
                "no run is empty"
            );
            assert!(
                runs.is_sorted_by(|[_, last], [first, _]| *last < first.saturating_sub(1)),
                "runs do not touch"
            );
        }
        Form::Packed(packed) => {
            assert!(matches!(packed.fill, 0 | 0xff));
            assert!(
                packed.bytes.iter().all(|byte| *byte != packed.fill),
                "only what differs is kept"
            );
            let mut kept = 0;
            for (mask, start) in packed.masks.iter().zip(packed.starts) {
                assert_eq!(u32::from(*start), kept);
                kept += mask.count_ones();
            }
            assert_eq!(packed.bytes.len(), kept as usize);
        }
        Form::Bytes(bytes) => {
            assert!(bytes.len() <= CHUNK_BYTES);
            if slot.tag() == Tag::Bytes {
                assert!(
                    slot.tail::<u8>()[bytes.len()..]
                        .iter()
                        .all(|byte| *byte == 0),
                    "nothing after the end"
                );
            }
        }
    }
    assert_eq!(
        u64::from(slot.present_ones()),
        kernels().popcount(&to_page(slot).0),
        "the slot tells the ones"
    );
}
