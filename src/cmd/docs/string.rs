//! The string commands.

use super::{Doc, doc};

#[rustfmt::skip] // two lines each, like their neighbours
pub(super) const DOCS: &[Doc] = &[
    doc("append", "2.0.0", "O(1) for each byte appended", "Appends to a string, or makes it.",
        "key value"),
    doc("decr", "1.0.0", "O(1)", "Takes one from the integer a key holds; a missing key counts as 0.",
        "key"),
    doc("decrby", "1.0.0", "O(1)", "Takes a number from the integer a key holds; a missing key counts as 0.",
        "key decrement:integer"),
    doc("get", "1.0.0", "O(1); O(N) of the length for long strings", "Reads a string.",
        "key"),
    doc("getdel", "6.2.0", "O(1); O(N) of the length for long strings", "Reads a string and deletes its key.",
        "key"),
    doc("getex", "6.2.0", "O(1); O(N) of the length for long strings", "Reads a string and sets or removes the time its key expires.",
        "key [expiration<EX=seconds:integer|PX=milliseconds:integer|EXAT=unix-time-seconds:unix-time|PXAT=unix-time-milliseconds:unix-time|PERSIST>]"),
    doc("getrange", "2.4.0", "O(N) of the bytes returned", "Reads a part of a string.",
        "key start:integer end:integer"),
    doc("getset", "1.0.0", "O(1)", "Stores a string and returns the one that was there.",
        "key value")
        .deprecated("6.2.0", "`SET` with the `!GET` argument"),
    doc("incr", "1.0.0", "O(1)", "Adds one to the integer a key holds; a missing key counts as 0.",
        "key"),
    doc("incrby", "1.0.0", "O(1)", "Adds a number to the integer a key holds; a missing key counts as 0.",
        "key increment:integer"),
    doc("incrbyfloat", "2.6.0", "O(1)", "Adds a number to the decimal number a key holds; a missing key counts as 0.",
        "key increment:double"),
    doc("lcs", "7.0.0", "O(N*M) of the two lengths", "Finds the longest sequence of bytes that two strings have in common.",
        "key1:key key2:key [LEN] [IDX] [MINMATCHLEN=min-match-len:integer] [WITHMATCHLEN]"),
    doc("mget", "1.0.0", "O(N) of the number of keys", "Reads several strings at once.",
        "key..."),
    doc("mset", "1.0.1", "O(N) of the number of keys", "Stores several strings at once.",
        "data(key value)..."),
    doc("msetnx", "1.0.1", "O(N) of the number of keys", "Stores several strings at once, if none of the keys is there.",
        "data(key value)..."),
    doc("psetex", "2.6.0", "O(1)", "Stores a string that expires after so many milliseconds.",
        "key milliseconds:integer value")
        .deprecated("2.6.12", "`SET` with the `PX` argument"),
    doc("set", "1.0.0", "O(1)", "Stores a string, whatever was there, if its options allow it.",
        "key value [condition<NX|XX>@2.6.12] [GET@6.2.0] [expiration<EX=seconds:integer@2.6.12|PX=milliseconds:integer@2.6.12|EXAT=unix-time-seconds:unix-time@6.2.0|PXAT=unix-time-milliseconds:unix-time@6.2.0|KEEPTTL@6.0.0>]")
        .history(&[("2.6.12", "`EX`, `PX`, `NX` and `XX`."), ("6.0.0", "`KEEPTTL`."), ("6.2.0", "`GET`, `EXAT` and `PXAT`."), ("7.0.0", "`NX` and `GET` together.")]),
    doc("setex", "2.0.0", "O(1)", "Stores a string that expires after so many seconds.",
        "key seconds:integer value")
        .deprecated("2.6.12", "`SET` with the `EX` argument"),
    doc("setnx", "1.0.0", "O(1)", "Stores a string if the key is not there.",
        "key value")
        .deprecated("2.6.12", "`SET` with the `NX` argument"),
    doc("setrange", "2.2.0", "O(1) for each byte written", "Overwrites a part of a string, which grows to hold it.",
        "key offset:integer value"),
    doc("strlen", "2.2.0", "O(1)", "Returns the length of a string in bytes.",
        "key"),
    doc("substr", "1.0.0", "O(N) of the bytes returned", "Reads a part of a string.",
        "key start:integer end:integer")
        .deprecated("2.0.0", "`GETRANGE`"),
];
