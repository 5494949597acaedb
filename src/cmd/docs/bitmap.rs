//! The bitmap commands. Those that Redis does not have are there since a version of this server.

use super::{Doc, doc};

/// Since when there are the commands that Redis does not have.
const OWN: &str = "0.1.0";

#[rustfmt::skip] // two lines each, like their neighbours
pub(super) const DOCS: &[Doc] = &[
    doc("bitcount", "2.6.0", "O(log N) of the length; O(N) for short strings", "Counts the bits that are one, in all of a string or in a range.",
        "key [range(start:integer end:integer [unit<BYTE|BIT>@7.0.0])]")
        .history(&[("7.0.0", "`BYTE` and `BIT`.")]),
    doc("bitexport", OWN, "O(N) of the chunks that hold ones", "Returns a bitmap as a portable Roaring serialization.",
        "key"),
    doc("bitimport", OWN, "O(N) of the chunks that hold ones", "Replaces a bitmap by a portable Roaring serialization, or combines it with one.",
        "key blob [mode<REPLACE|AND|OR|XOR|DIFF>]"),
    doc("bitinfo", OWN, "O(N) of the chunks that hold ones", "Tells what a bitmap costs, and how it is held.",
        "key"),
    doc("bitopcard", OWN, "O(N) of the parts of the sources that hold ones", "Counts the bits that a BITOP would set, and stores nothing.",
        "operation<AND|OR|XOR|NOT|DIFF|DIFF1|ANDOR|ONE> numkeys:integer key... [LIMIT=limit:integer]"),
    doc("bitscan", OWN, "O(log N + M) of the length and the bits returned", "Lists the positions of the bits that are one, or zero, page by page.",
        "key cursor:integer [COUNT=count:integer] [BIT=bit:integer] [RANGE=range(start:integer end:integer)]"),
    doc("bitselect", OWN, "O(log N) of the length for each rank", "Finds the bits that are one by their rank among them.",
        "key rank:integer..."),
    doc("getbits", OWN, "O(1) for each offset", "Reads bits of a string.",
        "key offset:integer..."),
    doc("setbitrange", OWN, "O(log N) of the length", "Sets or clears all bits of a range, and counts those that changed.",
        "key start:integer end:integer value:integer"),
    doc("setbits", OWN, "O(1) for each offset", "Sets or clears bits of a string, and counts those that changed.",
        "key value:integer offset:integer..."),
    doc("bitfield", "3.2.0", "O(1) for each operation", "Reads, sets and increments integers of any width at any bit of a string.",
        "key [operation<GET=get-block(encoding offset:integer)|write([OVERFLOW=overflow-block<WRAP|SAT|FAIL>] write-operation<SET=set-block(encoding offset:integer value:integer)|INCRBY=incrby-block(encoding offset:integer increment:integer)>)>...]"),
    doc("bitfield_ro", "6.0.0", "O(1) for each operation", "Reads integers of any width at any bit of a string.",
        "key [GET=get-block(encoding offset:integer)&...]"),
    doc("bitop", "2.6.0", "O(N) of the parts of the sources that hold ones", "Combines strings bit by bit and stores the result.",
        "operation<AND|OR|XOR|NOT|DIFF|DIFF1|ANDOR|ONE> destkey:key key..."),
    doc("bitpos", "2.8.7", "O(log N) of the length; O(N) for short strings", "Finds the first bit that is one, or zero.",
        "key bit:integer [range(start:integer [end-unit-block(end:integer [unit<BYTE|BIT>@7.0.0])])]")
        .history(&[("7.0.0", "`BYTE` and `BIT`.")]),
    doc("getbit", "2.2.0", "O(1)", "Reads one bit of a string.",
        "key offset:integer"),
    doc("setbit", "2.2.0", "O(1)", "Sets or clears one bit of a string, which grows to hold it.",
        "key offset:integer value:integer"),
];
