//! The transaction commands.

use super::{Doc, doc};

#[rustfmt::skip] // two lines each, like their neighbours
pub(super) const DOCS: &[Doc] = &[
    doc("discard", "2.0.0", "O(N) of the commands queued", "Forgets the transaction.",
        ""),
    doc("exec", "1.2.0", "That of the commands queued", "Runs the transaction.",
        ""),
    doc("multi", "1.2.0", "O(1)", "Starts a transaction.",
        ""),
    doc("unwatch", "2.2.0", "O(1)", "Forgets the watched keys.",
        ""),
    doc("watch", "2.2.0", "O(1) for each key", "Lets the transaction run only if these keys do not change until then.",
        "key..."),
];
