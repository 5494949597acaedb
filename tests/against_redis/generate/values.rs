//! The words that commands are made of: keys, numbers, offsets, times and values, ordinary ones and edges.

use super::Generator;

/// Keys for values of at most a few hundred bytes, so that quadratic LCS stays quick.
const SMALL_KEYS: &[&[u8]] = &[
    b"s1",
    b"s2",
    b"s3",
    b"s4",
    b"",
    b"\x00bin\xff\r\n",
    b"with space",
    b"s:{tag}:5",
];

/// Keys for bitmaps, up to megabytes.
const BIT_KEYS: &[&[u8]] = &[
    b"b1", b"b2", b"b3", b"b4", b"b5", b"b6", b"b\xff7", b"missing",
];

/// What `string2ll` refuses, each for a reason of its own.
#[rustfmt::skip] // a list
const NOT_INTEGERS: &[&str] = &[
    "", " ", "abc", "1.0", "01", "+1", " 5", "5 ", "-0", "--1", "0x10", "1e3", "9223372036854775808", "-9223372036854775809",
    "99999999999999999999999999", "1\x002", "-",
];

impl Generator {
    // ------------------------------------------------------------------------------------------ words

    /// One of the words in `choices`, which are separated by spaces.
    pub(super) fn any<'a>(&mut self, choices: &'a str) -> &'a str {
        let count = choices.split(' ').count() as u64;
        let at = self.random.below(count) as usize;
        choices.split(' ').nth(at).expect("a word below the count")
    }

    /// The same for an option, which may come in any case.
    pub(super) fn option(&mut self, choices: &str) -> Vec<u8> {
        let name = self.any(choices);
        if self.random.once_in(6) {
            self.any_case(name.as_bytes())
        } else {
            name.into()
        }
    }

    pub(super) fn any_case(&mut self, word: &[u8]) -> Vec<u8> {
        let mut word = word.to_vec();
        for byte in &mut word {
            if self.random.percent(50) {
                *byte = if byte.is_ascii_lowercase() {
                    byte.to_ascii_uppercase()
                } else {
                    byte.to_ascii_lowercase()
                };
            }
        }
        word
    }

    pub(super) fn not_integer(&mut self) -> Vec<u8> {
        (*self.random.pick(NOT_INTEGERS)).into()
    }

    /// A word that is wrong in most places. Never one that could be a huge offset or size.
    pub(super) fn garbage(&mut self) -> Vec<u8> {
        match self.random.below(4) {
            0 => self.not_integer(),
            1 => self
                .any("NX XX GET BIT BYTE KEEPTTL LIMIT WITHVALUES AND u8 #1 SAT SET")
                .into(),
            2 => self.small_key(),
            _ => self.any("0 1 -1 2 7 -9223372036854775808").into(),
        }
    }

    // ------------------------------------------------------------------------------------------ keys

    pub(super) fn small_key(&mut self) -> Vec<u8> {
        self.random.pick(SMALL_KEYS).to_vec()
    }

    pub(super) fn bit_key(&mut self) -> Vec<u8> {
        self.random.pick(BIT_KEYS).to_vec()
    }

    pub(super) fn key(&mut self) -> Vec<u8> {
        if self.random.percent(60) {
            self.bit_key()
        } else {
            self.small_key()
        }
    }

    /// Two keys of one kind, so that no big value gets under a small key.
    pub(super) fn two_keys(&mut self) -> (Vec<u8>, Vec<u8>) {
        if self.random.percent(60) {
            (self.bit_key(), self.bit_key())
        } else {
            (self.small_key(), self.small_key())
        }
    }

    // ------------------------------------------------------------------------------------------ numbers

    fn number(&mut self, choices: &str) -> i64 {
        self.any(choices).parse().expect("choices are numbers")
    }

    pub(super) fn small_number(&mut self, low: i64, high: i64) -> Vec<u8> {
        self.random.within(low, high).to_string().into()
    }

    /// A bit offset that may be written under `key`: at most a megabyte's, now and then eight.
    pub(super) fn write_offset(&mut self, key: &[u8]) -> i64 {
        if SMALL_KEYS.contains(&key) {
            return self.random.within(0, 900);
        }
        match self.random.below(12) {
            0 => self.number("0 7 8 63 64 511 512"),
            1 => self.number("65535 65536 65537 131071 131072 524287 524288"),
            2 if self.random.once_in(10) => self.random.within(0, 1 << 26),
            2 | 3 => self.random.within(0, 1 << 21),
            4..=6 => self.random.within(60_000, 140_000),
            _ => self.random.within(0, 600),
        }
    }

    /// A bit offset to look at, up to the last there is, and past it.
    pub(super) fn read_offset(&mut self, key: &[u8]) -> Vec<u8> {
        match self.random.below(16) {
            0 => self
                .any("4294967295 4294967294 4294967296 -1 9223372036854775807 -9223372036854775808")
                .into(),
            1 => self.not_integer(),
            _ => self.write_offset(key).to_string().into(),
        }
    }

    /// One end of a range of bytes or bits.
    pub(super) fn index(&mut self) -> Vec<u8> {
        let number = match self.random.below(14) {
            0 => 0,
            1 => -1,
            2 => self.number("9223372036854775807 -9223372036854775808 9223372036854775806 4294967296 -4294967296 536870912"),
            3 => self.number("8191 8192 8193 -8192 65535 65536 -65536 65537"),
            4 | 5 => self.random.within(-200_000, 200_000),
            6..=8 => self.random.within(-10_000, 10_000),
            9 if self.random.percent(20) => return self.not_integer(),
            _ => self.random.within(-100, 100),
        };
        number.to_string().into()
    }

    // ------------------------------------------------------------------------------------------ times

    /// Seconds that will not pass during a round, or a refused number; different each time, so that GT and LT never depend on
    /// the milliseconds between two commands.
    pub(super) fn seconds_from_now(&mut self) -> Vec<u8> {
        match self.random.below(24) {
            0 => self
                .any("0 -1 -1000 9223372036854775807 -9223372036854775808")
                .into(),
            1 => self
                .any("9223372036854775 9223372036854774 9000000000000000")
                .into(),
            2 if self.random.percent(30) => self.not_integer(),
            _ => self.small_number(1_000, 4_000_000_000),
        }
    }

    /// The same in milliseconds.
    pub(super) fn milliseconds_from_now(&mut self) -> Vec<u8> {
        match self.random.below(24) {
            0 => self
                .any("0 -1 9223372036854775807 -9223372036854775808")
                .into(),
            1 => self.any("9223370000000000000 9000000000000000000").into(),
            2 if self.random.percent(30) => self.not_integer(),
            _ => self.small_number(1_000_000, 4_000_000_000_000),
        }
    }

    /// A Unix time in seconds, far ahead.
    pub(super) fn moment_ahead(&mut self) -> i64 {
        self.random.within(5_000_000_000, 9_000_000_000)
    }

    /// The options EX, PX, EXAT and PXAT with their times. No moment has passed: SET would store a key that only waits to be
    /// swept, and is counted or not by chance.
    pub(super) fn expiry_option(&mut self) -> Vec<Vec<u8>> {
        match self.random.below(4) {
            0 => vec![self.option("EX"), self.seconds_from_now()],
            1 => vec![self.option("PX"), self.milliseconds_from_now()],
            2 => vec![self.option("EXAT"), self.moment_ahead().to_string().into()],
            _ => vec![
                self.option("PXAT"),
                (self.moment_ahead() * 1000 + 7).to_string().into(),
            ],
        }
    }

    // ------------------------------------------------------------------------------------------ values

    pub(super) fn small_value(&mut self) -> Vec<u8> {
        match self.random.below(12) {
            0..=2 => self.small_number(-1000, 20_000),
            3 => self.any("9223372036854775807 -9223372036854775808 9223372036854775808 0 -1 2147483648").into(),
            4 => self.any("1.5 3.0e3 -2.5e-3 nan inf -inf 1e400 0.1 99999999999999999 0.000000000000000001").into(),
            5 => self.not_integer(),
            6 => "x".repeat(self.number("20 21 43 44 45 64 100") as usize).into(),
            7 => "ohmytext mynewtext"[self.random.below(10) as usize..].into(),
            _ => {
                let length = self.random.below(24) as usize;
                self.random.bytes(length)
            }
        }
    }

    /// Bytes as bitmaps have them: sparse, in runs, dense, or nearly full.
    pub(super) fn bitmap_value(&mut self) -> Vec<u8> {
        let length = match self.random.below(40) {
            0 => 0,
            1 | 2 => 1,
            3..=8 => self.number("2 7 8 9 31 32 33 63 64 65") as usize,
            9..=14 => self.number("8191 8192 8193 16384 16385 24576 65536") as usize,
            15 if self.random.once_in(12) => self.random.within(1 << 20, 3 << 20) as usize,
            15..=24 => self.random.below(30_000) as usize,
            _ => self.random.below(300) as usize,
        };
        let mut bytes = vec![0; length];
        match self.random.below(6) {
            _ if length == 0 => {}
            0 => bytes.fill(0xff),
            1 | 2 => self.scatter(&mut bytes, 40, |byte, bit| *byte |= bit),
            3 => self.draw_runs(&mut bytes),
            4 => bytes = self.random.bytes(length),
            _ => {
                bytes.fill(0xff);
                self.scatter(&mut bytes, 20, |byte, bit| *byte &= !bit);
            }
        }
        bytes
    }

    /// Changes up to `most` bits anywhere in `bytes`.
    fn scatter(&mut self, bytes: &mut [u8], most: u64, change: fn(&mut u8, u8)) {
        for _ in 0..1 + self.random.below(most) {
            let at = self.random.below(bytes.len() as u64) as usize;
            change(&mut bytes[at], 1 << self.random.below(8));
        }
    }

    fn draw_runs(&mut self, bytes: &mut [u8]) {
        for _ in 0..1 + self.random.below(5) {
            let start = self.random.below(bytes.len() as u64) as usize;
            let end = (start + self.random.below(9_000) as usize).min(bytes.len());
            bytes[start..end].fill(0xff);
        }
    }

    pub(super) fn value_for(&mut self, key: &[u8]) -> Vec<u8> {
        if is_small(key) || self.random.percent(30) {
            self.small_value()
        } else {
            self.bitmap_value()
        }
    }
}

pub(super) fn is_small(key: &[u8]) -> bool {
    SMALL_KEYS.contains(&key)
}
