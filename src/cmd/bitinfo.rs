//! BITINFO: what a bitmap costs, and why.

use super::introspect::map;
use super::{Args, CmdResult, Context, aside};
use crate::bits::{Bitmap, Shape, View};
use crate::resp::Reply;

/// `BITINFO key`: length and ones, how many chunks of 65,536 bits are held in which form, the bytes that all of it takes
/// and those that the flat string would. nil for a missing key.
pub(super) fn bitinfo(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let request = args.request();
    let key = args.take()?;
    if cx.look(key).is_none() {
        return Ok(Reply::Null);
    }
    let long = aside::weight(cx, std::iter::once(key)) > aside::LONG;
    let card = aside::look(cx, request, std::iter::once(key), long, |_, views| {
        card(views[0])
    });
    Ok(card)
}

fn card(bytes: View<'_>) -> Reply {
    let (shape, used) = match bytes {
        View::Flat(bytes) => (Shape::default(), bytes.len() as u64),
        View::Chunked(bitmap) => {
            let shape = bitmap.shape();
            (shape, size_of::<Bitmap>() as u64 + shape.heap_bytes)
        }
    };
    let number = |n: u64| Reply::Integer(n as i64);
    let forms = [
        ("few", shape.few),
        ("run", shape.run),
        ("array", shape.array),
        ("runs", shape.runs),
        ("packed", shape.packed),
        ("bytes", shape.bytes),
    ];
    map([
        ("length", number(bytes.len())),
        ("ones", number(bytes.ones())),
        ("chunks", map(forms.map(|(form, n)| (form, number(n))))),
        ("nodes", number(shape.nodes)),
        ("bytes-used", number(used)),
        ("bytes-flat", number(bytes.len())),
    ])
}
