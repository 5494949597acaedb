//! Where the ones are: BITSCAN, page by page, and BITSELECT, by rank.

use super::bitmap::take_bit_sought;
use super::{Args, CmdError, CmdResult, Context, aside};
use crate::bits::View;
use crate::bits::span::{Span, Unit};
use crate::number::parse_i64;
use crate::resp::{Integers, Reply};

/// The most positions in one page, whatever COUNT says: tens of milliseconds to find and to send.
const PAGE_MAX: usize = 1_000_000;

/// Pages of more positions than this are made off the locks.
const LONG_PAGE: usize = 10_000;

/// More ranks than this are looked for off the locks: each may unpack a chunk.
const LONG_RANKS: usize = 1000;

/// How many positions are found before they are written: as many as a core keeps close at hand.
const STEP: usize = 8192;

/// `BITSCAN key cursor [COUNT count] [BIT 0 | 1] [RANGE start end]`: the next page of the positions of the ones (or the
/// zeros), in order, and the cursor for the page after it, `0` after the last.
///
/// A page has COUNT positions (10 unless told otherwise, at most a million), the last one may have fewer. The range is in
/// bits, both ends included, negative ones counted from the end as in BITCOUNT. A cursor is the position to go on from,
/// so whatever changes between two pages, bits that stay as they are are seen exactly once.
pub(super) fn bitscan(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let request = args.request();
    let key = args.take()?;
    let cursor = take_cursor(&mut args)?;
    let (mut count, mut bit, mut span) = (10, true, Span::WHOLE);
    while !args.is_empty() {
        if args.take_word("COUNT") {
            count = args.take_i64()?;
            if count < 1 {
                return Err(CmdError::Syntax);
            }
        } else if args.take_word("BIT") {
            bit = take_bit_sought(&mut args)?;
        } else if args.take_word("RANGE") {
            span = Span::new(args.take_i64()?, args.take_i64()?, Unit::Bit);
        } else {
            return Err(CmdError::Syntax);
        }
    }
    let most = usize::try_from(count).map_or(PAGE_MAX, |count| count.min(PAGE_MAX));

    let (next, page) = aside::look(
        cx,
        request,
        std::iter::once(key),
        most > LONG_PAGE,
        |_, views| page(views[0], bit, cursor, span, most),
    );
    Ok(Reply::Array(vec![
        Reply::bulk(next.to_string()),
        Reply::Integers(page),
    ]))
}

/// As SCAN reads it: digits of a number of 64 bits.
fn take_cursor(args: &mut Args<'_>) -> Result<u64, CmdError> {
    let text = std::str::from_utf8(args.take()?).unwrap_or_default();
    text.parse()
        .ok()
        .filter(|_| !text.starts_with('+'))
        .ok_or(CmdError::other("ERR invalid cursor"))
}

/// Up to `most` positions from `cursor` on, and where to go on: 0 where there are no more.
fn page(bytes: View<'_>, bit: bool, cursor: u64, span: Span, most: usize) -> (u64, Integers) {
    let range = span.resolve(bytes.len());
    let mut at = range.start.max(cursor);
    let (mut page, mut found) = (Integers::new(), Vec::new());
    while page.len() < most {
        let step = STEP.min(most - page.len());
        bytes.positions(bit, at..range.end, step, &mut found);
        let Some(last) = found.last() else {
            return (0, page);
        };
        at = last + 1;
        page.extend(found.drain(..));
    }
    let more = bytes.find(bit, at..range.end).is_some();
    (if more { at } else { 0 }, page)
}

/// `BITSELECT key rank [rank ...]`: the position of the one with so many ones before it; from the last one backwards
/// where the rank is negative (-1 is the last). nil where there are not as many.
pub(super) fn bitselect(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let request = args.request();
    let key = args.take()?;
    let ranks: Option<Vec<i64>> = args.rest().map(parse_i64).collect();
    let ranks = ranks.ok_or(CmdError::NotAnInteger)?;

    let (key, long) = (std::iter::once(key), ranks.len() > LONG_RANKS);
    let found = aside::look(cx, request, key, long, |_, views| select(views[0], &ranks));
    if let Some(all) = found.iter().copied().collect() {
        return Ok(Reply::Integers(all));
    }
    let found = found.into_iter().map(|found| match found {
        Some(at) => Reply::Integer(at as i64),
        None => Reply::Null,
    });
    Ok(Reply::Array(found.collect()))
}

fn select(bytes: View<'_>, ranks: &[i64]) -> Vec<Option<u64>> {
    let ones = bytes.ones();
    let select = |rank: &i64| {
        let rank = match u64::try_from(*rank) {
            Ok(rank) => rank,
            Err(_) => ones.checked_sub(rank.unsigned_abs())?,
        };
        bytes.select(rank)
    };
    ranks.iter().map(select).collect()
}

#[cfg(test)]
#[path = "bitscan_tests.rs"]
mod tests;
