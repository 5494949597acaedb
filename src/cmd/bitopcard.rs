//! BITOPCARD: how many ones a BITOP would give, without giving it.

use super::bitop::{self, Operator};
use super::{Args, CmdError, CmdResult, Context, aside};
use crate::bits;
use crate::number::parse_i64;
use crate::resp::Reply;

/// `BITOPCARD <AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE> numkeys key [key ...] [LIMIT limit]`: the number of
/// ones in what BITOP would make of these keys. Nothing is stored, and no key is needed to store it in.
///
/// It stops as soon as it has counted LIMIT ones, and replies that; 0 is no limit. NOT counts the zeros of its source.
pub(super) fn bitopcard(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let request = args.request();
    let operator = Operator::take(&mut args)?;
    let number = parse_i64(args.take()?)
        .filter(|number| *number > 0)
        .ok_or(CmdError::other("ERR numkeys should be greater than 0"))?;
    let keys = usize::try_from(number)
        .ok()
        .filter(|number| *number <= args.len())
        .ok_or(CmdError::other(
            "ERR Number of keys can't be greater than number of args",
        ))?;
    operator.check("BITOPCARD", keys)?;
    let sources = args.rest().take(keys);
    for _ in 0..keys {
        args.take()?;
    }
    let mut limit = 0;
    while !args.is_empty() {
        if !args.take_word("LIMIT") {
            return Err(CmdError::Syntax);
        }
        limit = parse_i64(args.take()?)
            .and_then(|limit| u64::try_from(limit).ok())
            .ok_or(CmdError::other("ERR LIMIT can't be negative"))?;
    }
    let most = if limit == 0 { u64::MAX } else { limit };

    let weighs = aside::weight(cx, sources.clone());
    let count = aside::look(
        cx,
        request,
        sources,
        weighs > aside::LONG,
        |world, views| {
            bitop::on_cores(world, weighs, |threads| {
                bits::count_combined(operator.op, views, most, threads)
            })
        },
    );
    Ok(Reply::Integer(count as i64))
}
