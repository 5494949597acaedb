//! Random rounds of commands: every command the two servers share, with the values where mistakes live.
//!
//! A round depends on its seed alone, never on a reply, so it can be played again and cut short. To add a command,
//! write a method that makes one and give it a line in [`COMMANDS`].
//!
//! Kept out on purpose: times that could run out during a round, values that take both servers a second each (hundreds
//! of megabytes; those have scripts), and commands that close the connection or the server.

use crate::play::{CONNECTIONS, Step};
use crate::random::Random;
use crate::wire::Words;

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

const NOT_INTEGERS: &[&str] = &[
    "",
    " ",
    "abc",
    "1.0",
    "01",
    "+1",
    " 5",
    "5 ",
    "-0",
    "--1",
    "0x10",
    "1e3",
    "9223372036854775808",
    "-9223372036854775809",
    "99999999999999999999999999",
    "1\x002",
    "-",
];

type Make = fn(&mut Generator) -> Vec<Vec<u8>>;

/// Weight, and how to make one.
#[rustfmt::skip] // read by column
const COMMANDS: &[(u64, Make)] = &[
    // Bitmaps, the heart of it.
    (90, Generator::setbit), (50, Generator::getbit), (60, Generator::bitcount), (60, Generator::bitpos),
    (70, Generator::bitop), (60, Generator::bitfield), (20, Generator::bitfield_ro),
    // Strings.
    (60, Generator::set), (20, Generator::set_bitmap), (25, Generator::get), (10, Generator::getrange),
    (14, Generator::setrange), (10, Generator::append), (10, Generator::strlen), (12, Generator::increments),
    (8, Generator::incrbyfloat), (8, Generator::several), (8, Generator::getex), (6, Generator::old_sets),
    (5, Generator::lcs),
    // Keys.
    (14, Generator::del), (10, Generator::expire), (14, Generator::times), (10, Generator::copy), (8, Generator::rename),
    (6, Generator::exists), (6, Generator::object), (5, Generator::keys), (3, Generator::scan), (4, Generator::moves),
    (3, Generator::single_key),
    // Transactions.
    (8, Generator::multi), (25, Generator::exec), (1, Generator::discard), (8, Generator::watch), (2, Generator::unwatch),
    // The connection and the server.
    (5, Generator::select), (2, Generator::hello), (5, Generator::connection), (4, Generator::server),
    (1, Generator::flush), (3, Generator::getkeys), (3, Generator::unknown),
];

pub struct Generator {
    random: Random,
}

/// The steps of the round with this seed.
pub fn round(seed: u64, length: usize) -> Vec<Step> {
    let mut generator = Generator {
        random: Random::new(seed),
    };
    let total = COMMANDS.iter().map(|(weight, _)| weight).sum();
    let mut connection = 0;
    let steps = (0..length).map(|_| {
        if generator.random.once_in(12) {
            connection = generator.random.below(CONNECTIONS as u64) as usize;
        }
        let mut ticket = generator.random.below(total);
        let (_, make) = COMMANDS
            .iter()
            .find(|(weight, _)| {
                let here = ticket < *weight;
                ticket = ticket.wrapping_sub(*weight);
                here
            })
            .expect("the ticket is below the total");
        let words = make(&mut generator);
        let words = generator.spoil(words);
        // Lines over 64 KiB are refused inline, and quoting makes them up to four times as long.
        let short = words.iter().map(Vec::len).sum::<usize>() < 10_000;
        let inline = short && generator.random.once_in(25);
        Step {
            connection,
            inline,
            words,
        }
    });
    steps.collect()
}

impl Generator {
    /// Now and then: another case, a word too few, too many, or wrong.
    fn spoil(&mut self, mut words: Words) -> Words {
        // Any other count of replicas would wait for ever; for AUTH see `rules.rs`.
        if words[0] == b"WAIT" || words[0] == b"AUTH" {
            return words;
        }
        if self.random.once_in(5) {
            words[0] = self.any_case(&words[0].clone());
        }
        if self.random.once_in(40) {
            // A time of 7 milliseconds would pass on one server and not yet on the other.
            let timed = ["SET", "GETEX", "SETEX", "PSETEX", "EXPIRE", "PEXPIRE"]
                .iter()
                .any(|name| words[0] == name.as_bytes());
            let wrong = if timed {
                self.not_integer()
            } else {
                self.garbage()
            };
            match self.random.below(4) {
                0 if words.len() > 1 => drop(words.pop()),
                1 => words.push(wrong),
                2 if words.len() > 1 => {
                    let at = 1 + self.random.below(words.len() as u64 - 1) as usize;
                    words[at] = wrong;
                }
                _ => {
                    let at = 1 + self.random.below(words.len() as u64) as usize;
                    words.insert(at, wrong);
                }
            }
        }
        words
    }

    fn any_case(&mut self, word: &[u8]) -> Vec<u8> {
        let flip = |byte: &u8| {
            if self.random.percent(50) {
                byte.to_ascii_lowercase()
            } else {
                byte.to_ascii_uppercase()
            }
        };
        word.iter().map(flip).collect()
    }

    /// A word that is wrong in most places. Never one that could be a huge offset, size or a time about to pass.
    fn garbage(&mut self) -> Vec<u8> {
        match self.random.below(4) {
            0 => self.random.pick(NOT_INTEGERS).as_bytes().to_vec(),
            1 => self
                .random
                .pick(&[
                    "NX",
                    "XX",
                    "GET",
                    "BIT",
                    "BYTE",
                    "KEEPTTL",
                    "LIMIT",
                    "WITHVALUES",
                    "AND",
                    "u8",
                    "#1",
                    "SAT",
                    "SET",
                ])
                .as_bytes()
                .to_vec(),
            2 => self.random.pick(SMALL_KEYS).to_vec(),
            _ => self
                .random
                .pick(&["0", "1", "-1", "2", "7", "-9223372036854775808"])
                .as_bytes()
                .to_vec(),
        }
    }

    /// An option's name, mostly in the usual case.
    fn option(&mut self, name: &str) -> Vec<u8> {
        if self.random.once_in(6) {
            self.any_case(name.as_bytes())
        } else {
            name.into()
        }
    }

    fn one_of(&mut self, names: &[&str]) -> Vec<u8> {
        let name = self.random.pick(names);
        self.option(name)
    }

    fn small_key(&mut self) -> Vec<u8> {
        self.random.pick(SMALL_KEYS).to_vec()
    }

    fn bit_key(&mut self) -> Vec<u8> {
        self.random.pick(BIT_KEYS).to_vec()
    }

    fn key(&mut self) -> Vec<u8> {
        if self.random.percent(60) {
            self.bit_key()
        } else {
            self.small_key()
        }
    }

    /// Two keys of one kind, so that no big value gets under a small key.
    fn two_keys(&mut self) -> (Vec<u8>, Vec<u8>) {
        if self.random.percent(60) {
            (self.bit_key(), self.bit_key())
        } else {
            (self.small_key(), self.small_key())
        }
    }

    fn not_integer(&mut self) -> Vec<u8> {
        self.random.pick(NOT_INTEGERS).as_bytes().to_vec()
    }

    /// A bit offset that may be written: at most a megabyte's, now and then eight.
    fn write_offset(&mut self) -> i64 {
        match self.random.below(12) {
            0 => *self.random.pick(&[&0, &7, &8, &63, &64, &511, &512]),
            1 => *self.random.pick(&[
                &65_535, &65_536, &65_537, &131_071, &131_072, &524_287, &524_288,
            ]),
            2 if self.random.once_in(10) => self.random.within(0, 1 << 26),
            2 | 3 => self.random.within(0, 1 << 21),
            4..=6 => self.random.within(60_000, 140_000),
            _ => self.random.within(0, 600),
        }
    }

    /// A bit offset to look at, up to the last there is, and past it.
    fn read_offset(&mut self) -> Vec<u8> {
        match self.random.below(16) {
            0 => self
                .random
                .pick(&[
                    "4294967295",
                    "4294967294",
                    "4294967296",
                    "-1",
                    "9223372036854775807",
                    "-9223372036854775808",
                ])
                .into(),
            1 => self.not_integer(),
            _ => self.write_offset().to_string().into(),
        }
    }

    /// One end of a range of bytes or bits.
    fn index(&mut self) -> Vec<u8> {
        let number = match self.random.below(14) {
            0 => 0,
            1 => -1,
            2 => *self.random.pick(&[
                &i64::MAX,
                &i64::MIN,
                &(i64::MAX - 1),
                &(1 << 32),
                &-(1 << 32),
                &(1 << 29),
            ]),
            3 => *self.random.pick(&[
                &8191, &8192, &8193, &-8192, &65_535, &65_536, &-65_536, &65_537,
            ]),
            4 | 5 => self.random.within(-200_000, 200_000),
            6..=8 => self.random.within(-10_000, 10_000),
            9 if self.random.percent(20) => return self.not_integer(),
            _ => self.random.within(-100, 100),
        };
        number.to_string().into()
    }

    fn small_value(&mut self) -> Vec<u8> {
        match self.random.below(10) {
            0..=2 => self.random.within(-1000, 20_000).to_string().into(),
            3 => self
                .random
                .pick(&[
                    "9223372036854775807",
                    "-9223372036854775808",
                    "9223372036854775808",
                    "0",
                    "-1",
                    "1.5",
                    "3.0e3",
                    "-2.5e-3",
                    "nan",
                    "inf",
                    "-inf",
                    "1e400",
                    "0.1",
                    "100000000000000000000",
                    "12345678901234567890",
                    "2147483648",
                    "99999999999999999",
                    "0.000000000000000001",
                ])
                .into(),
            4 => self.not_integer(),
            5 => {
                let length = *self.random.pick(&[&43, &44, &45, &20, &21, &64, &100]);
                vec![b'x'; length]
            }
            6 => b"ohmytext mynewtext"[self.random.below(10) as usize..].to_vec(),
            _ => {
                let length = self.random.below(24) as usize;
                self.random.bytes(length)
            }
        }
    }

    /// Bytes as bitmaps have them: sparse, in runs, dense, or nearly full.
    fn bitmap_value(&mut self) -> Vec<u8> {
        let length = match self.random.below(40) {
            0 => 0,
            1 | 2 => 1,
            3..=8 => *self
                .random
                .pick(&[&2, &7, &8, &9, &31, &32, &33, &63, &64, &65]),
            9..=14 => *self
                .random
                .pick(&[&8191, &8192, &8193, &16_384, &16_385, &65_536, &24_576]),
            15 if self.random.once_in(12) => self.random.within(1 << 20, 3 << 20) as usize,
            15..=24 => self.random.below(30_000) as usize,
            _ => self.random.below(300) as usize,
        };
        let mut bytes = vec![0; length];
        match self.random.below(6) {
            0 => bytes.fill(0xff),
            1 | 2 if length > 0 => {
                for _ in 0..1 + self.random.below(40) {
                    bytes[self.random.below(length as u64) as usize] |= 1 << self.random.below(8);
                }
            }
            3 if length > 0 => {
                for _ in 0..1 + self.random.below(5) {
                    let start = self.random.below(length as u64) as usize;
                    let end = (start + self.random.below(9_000) as usize).min(length);
                    bytes[start..end].fill(0xff);
                }
            }
            4 => bytes = self.random.bytes(length),
            5 if length > 0 => {
                bytes.fill(0xff);
                for _ in 0..1 + self.random.below(20) {
                    bytes[self.random.below(length as u64) as usize] &=
                        !(1 << self.random.below(8));
                }
            }
            _ => {}
        }
        bytes
    }

    fn value_for(&mut self, key: &[u8]) -> Vec<u8> {
        if BIT_KEYS.contains(&key) && self.random.percent(70) {
            self.bitmap_value()
        } else {
            self.small_value()
        }
    }

    // ------------------------------------------------------------------------------------------- bitmaps

    fn setbit(&mut self) -> Words {
        let key = self.key();
        let offset = match self.random.below(40) {
            0 => self
                .random
                .pick(&[
                    "4294967296",
                    "-1",
                    "9223372036854775807",
                    "18446744073709551616",
                ])
                .into(),
            1 => self.not_integer(),
            _ if SMALL_KEYS.contains(&&key[..]) => self.random.within(0, 900).to_string().into(),
            _ => self.write_offset().to_string().into(),
        };
        let value = match self.random.below(40) {
            0 => self.random.pick(&["2", "-1", "10"]).into(),
            1 => self.not_integer(),
            2..=12 => "0".into(),
            _ => "1".into(),
        };
        vec!["SETBIT".into(), key, offset, value]
    }

    fn getbit(&mut self) -> Words {
        vec!["GETBIT".into(), self.key(), self.read_offset()]
    }

    fn unit(&mut self) -> Vec<u8> {
        if self.random.once_in(20) {
            self.garbage()
        } else {
            self.one_of(&["BYTE", "BIT"])
        }
    }

    fn bitcount(&mut self) -> Words {
        let mut words = vec!["BITCOUNT".into(), self.key()];
        if self.random.percent(85) {
            words.extend([self.index(), self.index()]);
            if self.random.percent(60) {
                words.push(self.unit());
            }
        }
        words
    }

    fn bitpos(&mut self) -> Words {
        let bit = match self.random.below(25) {
            0 => self.random.pick(&["2", "-1"]).into(),
            1 => self.not_integer(),
            _ => self.random.pick(&["0", "1"]).into(),
        };
        let mut words = vec!["BITPOS".into(), self.key(), bit];
        let more = self.random.below(4);
        for _ in 0..more.min(2) {
            words.push(self.index());
        }
        if more == 3 {
            words.push(self.unit());
        }
        words
    }

    fn bitop(&mut self) -> Words {
        let operation = match self.random.below(60) {
            0 => self.garbage(),
            _ => self.one_of(&["AND", "OR", "XOR", "NOT", "DIFF", "DIFF1", "ANDOR", "ONE"]),
        };
        let sources = match self.random.below(20) {
            0 => 16,
            1 => 17,
            2 => 1 + self.random.below(20),
            3..=6 => 1,
            _ => 1 + self.random.below(4),
        };
        let sources = if operation.eq_ignore_ascii_case(b"NOT") && !self.random.once_in(15) {
            1
        } else {
            sources
        };
        let mut words = vec!["BITOP".into(), operation, self.bit_key()];
        for _ in 0..sources {
            words.push(if self.random.once_in(10) {
                self.small_key()
            } else {
                self.bit_key()
            });
        }
        words
    }

    fn bitfield_type(&mut self) -> Vec<u8> {
        match self.random.below(30) {
            0 => self
                .random
                .pick(&[
                    "u64", "i65", "i0", "u0", "u01", "I8", "U8", "8", "u", "i-1", "u8x", "u63\0x",
                ])
                .into(),
            1..=4 => self
                .random
                .pick(&[
                    "i1", "u1", "i64", "u63", "i63", "u62", "i8", "u8", "i16", "u32",
                ])
                .into(),
            _ => match self.random.percent(50) {
                true => format!("u{}", self.random.within(1, 63)).into(),
                false => format!("i{}", self.random.within(1, 64)).into(),
            },
        }
    }

    fn bitfield_offset(&mut self, small: bool, writes: bool) -> Vec<u8> {
        match self.random.below(40) {
            0 => self
                .random
                .pick(&[
                    "#-1",
                    "#",
                    "#abc",
                    "-1",
                    "4294967296",
                    "#9223372036854775807",
                    "##1",
                ])
                .into(),
            1 => self.not_integer(),
            2 if !writes => self
                .random
                .pick(&["4294967295", "4294967232", "#67108863", "#536870911"])
                .into(),
            _ if small => self.random.within(0, 700).to_string().into(),
            3..=10 => format!("#{}", self.random.below(200)).into(),
            _ => self.write_offset().to_string().into(),
        }
    }

    fn bitfield_number(&mut self) -> Vec<u8> {
        match self.random.below(12) {
            0 => self
                .random
                .pick(&[
                    "9223372036854775807",
                    "-9223372036854775808",
                    "4294967295",
                    "4294967296",
                ])
                .into(),
            1 if self.random.once_in(4) => self.not_integer(),
            2..=4 => (self.random.next() as i64).to_string().into(),
            5 | 6 => self.random.within(-70_000, 70_000).to_string().into(),
            _ => self.random.within(-300, 300).to_string().into(),
        }
    }

    fn bitfield(&mut self) -> Words {
        let key = self.key();
        let small = SMALL_KEYS.contains(&&key[..]);
        let mut words = vec!["BITFIELD".into(), key];
        for _ in 0..self.random.below(6) {
            match self.random.below(10) {
                0 | 1 => {
                    words.push(self.option("OVERFLOW"));
                    words.push(if self.random.once_in(30) {
                        self.garbage()
                    } else {
                        self.one_of(&["WRAP", "SAT", "FAIL"])
                    });
                }
                2..=4 => words.extend([
                    self.option("GET"),
                    self.bitfield_type(),
                    self.bitfield_offset(small, false),
                ]),
                turn => {
                    let name = if turn < 7 { "SET" } else { "INCRBY" };
                    let (name, width) = (self.option(name), self.bitfield_type());
                    words.extend([
                        name,
                        width,
                        self.bitfield_offset(small, true),
                        self.bitfield_number(),
                    ]);
                }
            }
        }
        words
    }

    fn bitfield_ro(&mut self) -> Words {
        let mut words = vec!["BITFIELD_RO".into(), self.key()];
        for _ in 0..self.random.below(4) {
            match self.random.below(20) {
                0 => words.extend([
                    self.option("SET"),
                    self.bitfield_type(),
                    "0".into(),
                    "1".into(),
                ]),
                1 => words.extend([
                    self.option("OVERFLOW"),
                    self.one_of(&["WRAP", "SAT", "FAIL"]),
                ]),
                _ => words.extend([
                    self.option("GET"),
                    self.bitfield_type(),
                    self.bitfield_offset(false, false),
                ]),
            }
        }
        words
    }

    // ------------------------------------------------------------------------------------------- strings

    /// A time in seconds that will not pass during a round, or has long passed; different each time, so that GT and LT
    /// never depend on the milliseconds between two commands.
    fn seconds_from_now(&mut self) -> Vec<u8> {
        match self.random.below(24) {
            0 => self
                .random
                .pick(&[
                    "0",
                    "-1",
                    "-1000",
                    "9223372036854775807",
                    "-9223372036854775808",
                ])
                .into(),
            1 => self
                .random
                .pick(&["9223372036854775", "9223372036854774", "9000000000000000"])
                .into(),
            2 if self.random.percent(30) => self.not_integer(),
            _ => self.random.within(1_000, 4_000_000_000).to_string().into(),
        }
    }

    /// The same in milliseconds.
    fn milliseconds_from_now(&mut self) -> Vec<u8> {
        match self.random.below(24) {
            0 => self
                .random
                .pick(&["0", "-1", "9223372036854775807", "-9223372036854775808"])
                .into(),
            1 => self
                .random
                .pick(&["9223370000000000000", "9000000000000000000"])
                .into(),
            2 if self.random.percent(30) => self.not_integer(),
            _ => self
                .random
                .within(1_000_000, 4_000_000_000_000)
                .to_string()
                .into(),
        }
    }

    /// A moment in Unix seconds: far ahead, or long gone.
    fn moment(&mut self) -> i64 {
        if self.random.once_in(12) {
            self.random.within(-5, 1_000_000_000)
        } else {
            self.random.within(5_000_000_000, 9_000_000_000)
        }
    }

    /// The options EX, PX, EXAT and PXAT with their times. No moment has passed: SET would store a key that only waits to be
    /// swept, and is counted or not by chance.
    fn expiry_option(&mut self) -> Vec<Vec<u8>> {
        let moment = self.random.within(5_000_000_000, 9_000_000_000);
        match self.random.below(4) {
            0 => vec![self.option("EX"), self.seconds_from_now()],
            1 => vec![self.option("PX"), self.milliseconds_from_now()],
            2 => vec![self.option("EXAT"), moment.to_string().into()],
            _ => vec![self.option("PXAT"), (moment * 1000 + 7).to_string().into()],
        }
    }

    fn set(&mut self) -> Words {
        let key = self.key();
        let value = self.value_for(&key);
        let mut words = vec!["SET".into(), key, value];
        if self.random.percent(15) {
            words.push(self.one_of(&["NX", "XX"]));
        }
        if self.random.percent(15) {
            words.push(self.option("GET"));
        }
        if self.random.percent(8) {
            words.push(self.option("KEEPTTL"));
        }
        if self.random.percent(20) {
            words.extend(self.expiry_option());
        }
        if self.random.once_in(60) {
            words.push(self.garbage());
        }
        words
    }

    fn set_bitmap(&mut self) -> Words {
        vec!["SET".into(), self.bit_key(), self.bitmap_value()]
    }

    fn get(&mut self) -> Words {
        match self.random.below(8) {
            0 => vec!["GETDEL".into(), self.key()],
            1 => {
                let key = self.key();
                let value = self.value_for(&key);
                vec!["GETSET".into(), key, value]
            }
            _ => vec!["GET".into(), self.key()],
        }
    }

    fn getrange(&mut self) -> Words {
        vec![
            self.one_of(&["GETRANGE", "SUBSTR"]),
            self.key(),
            self.index(),
            self.index(),
        ]
    }

    fn setrange(&mut self) -> Words {
        let key = self.key();
        let small = SMALL_KEYS.contains(&&key[..]);
        let value = if small {
            self.small_value()
        } else {
            self.value_for(&key)
        };
        let offset = match self.random.below(30) {
            0 => self
                .random
                .pick(&[
                    "-1",
                    "536870912",
                    "9223372036854775807",
                    "-9223372036854775808",
                ])
                .into(),
            1 => self.not_integer(),
            _ if small => self.random.below(120).to_string().into(),
            2..=6 => self
                .random
                .pick(&["8190", "8191", "8192", "8193", "16383", "16384"])
                .into(),
            _ => self.random.below(20_000).to_string().into(),
        };
        vec!["SETRANGE".into(), key, offset, value]
    }

    fn append(&mut self) -> Words {
        let key = self.key();
        let value = self.value_for(&key);
        // Small values stay small: an APPEND in a long round must not make LCS slow.
        if SMALL_KEYS.contains(&&key[..]) && self.random.percent(30) {
            return vec!["SET".into(), key, value];
        }
        vec!["APPEND".into(), key, value]
    }

    fn strlen(&mut self) -> Words {
        vec!["STRLEN".into(), self.key()]
    }

    fn increments(&mut self) -> Words {
        let key = self.small_key();
        match self.random.below(4) {
            0 => vec!["INCR".into(), key],
            1 => vec!["DECR".into(), key],
            turn => {
                let name = if turn == 2 { "INCRBY" } else { "DECRBY" };
                let amount = match self.random.below(8) {
                    0 => self
                        .random
                        .pick(&[
                            "9223372036854775807",
                            "-9223372036854775808",
                            "-9223372036854775807",
                        ])
                        .into(),
                    1 => self.not_integer(),
                    _ => self.random.within(-5000, 5000).to_string().into(),
                };
                vec![name.into(), key, amount]
            }
        }
    }

    fn incrbyfloat(&mut self) -> Words {
        let amount = match self.random.below(6) {
            0 => self
                .random
                .pick(&[
                    "nan",
                    "inf",
                    "-inf",
                    "1e308",
                    "1e-10",
                    "5.0e3",
                    "0x1p3",
                    " 1",
                    "1 ",
                    "",
                    "1e5000",
                    "abc",
                    "-0",
                    "0.1",
                    "0.2",
                    "1.17549435e-38",
                    "3.40282347e+38",
                    "1e17",
                    "123456789.123456789",
                    "+1.5",
                    ".5",
                    "5.",
                    "1_0",
                    "infinity",
                ])
                .into(),
            1 => self.not_integer(),
            2 => format!(
                "{}e{}",
                self.random.within(-999, 999),
                self.random.within(-12, 12)
            )
            .into(),
            _ => format!(
                "{}.{}",
                self.random.within(-1000, 1000),
                self.random.below(1_000_000)
            )
            .into(),
        };
        vec!["INCRBYFLOAT".into(), self.small_key(), amount]
    }

    fn several(&mut self) -> Words {
        let name = self
            .random
            .pick(&["MGET", "MSET", "MSETNX", "MGET", "MSET"]);
        let mut words: Words = vec![name.into()];
        for _ in 0..1 + self.random.below(5) {
            let key = self.key();
            words.push(key.clone());
            if name != "MGET" {
                words.push(self.value_for(&key));
            }
        }
        words
    }

    fn getex(&mut self) -> Words {
        let mut words = vec!["GETEX".into(), self.key()];
        match self.random.below(6) {
            0 => words.push(self.option("PERSIST")),
            1 => {}
            2 => words.extend([self.option("PERSIST"), self.option("EX"), "2000".into()]),
            _ => words.extend(self.expiry_option()),
        }
        words
    }

    fn old_sets(&mut self) -> Words {
        let key = self.key();
        let value = self.value_for(&key);
        match self.random.below(3) {
            0 => vec!["SETNX".into(), key, value],
            1 => vec!["SETEX".into(), key, self.seconds_from_now(), value],
            _ => vec!["PSETEX".into(), key, self.milliseconds_from_now(), value],
        }
    }

    fn lcs(&mut self) -> Words {
        let mut words = vec!["LCS".into(), self.small_key(), self.small_key()];
        if self.random.percent(20) {
            words.push(self.option("LEN"));
        }
        if self.random.percent(50) {
            words.push(self.option("IDX"));
        }
        if self.random.percent(40) {
            let length = if self.random.once_in(8) {
                self.not_integer()
            } else {
                self.random.within(-2, 5).to_string().into()
            };
            words.extend([self.option("MINMATCHLEN"), length]);
        }
        if self.random.percent(40) {
            words.push(self.option("WITHMATCHLEN"));
        }
        words
    }

    // ------------------------------------------------------------------------------------------- keys

    fn many_keys(&mut self, name: &str) -> Words {
        let mut words = vec![name.into()];
        for _ in 0..1 + self.random.below(4) {
            words.push(self.key());
        }
        words
    }

    fn del(&mut self) -> Words {
        let name = self.random.pick(&["DEL", "DEL", "UNLINK"]);
        self.many_keys(name)
    }

    fn exists(&mut self) -> Words {
        let name = self.random.pick(&["EXISTS", "TOUCH"]);
        self.many_keys(name)
    }

    fn expire(&mut self) -> Words {
        let key = self.key();
        let (name, time) = match self.random.below(4) {
            0 => ("EXPIRE", self.seconds_from_now()),
            1 => ("PEXPIRE", self.milliseconds_from_now()),
            2 => ("EXPIREAT", self.moment().to_string().into()),
            _ => ("PEXPIREAT", (self.moment() * 1000 + 3).to_string().into()),
        };
        let mut words = vec![name.into(), key, time];
        for _ in 0..self.random.below(5).saturating_sub(2) {
            words.push(self.one_of(&["NX", "XX", "GT", "LT"]));
        }
        words
    }

    fn times(&mut self) -> Words {
        vec![
            self.one_of(&["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "PERSIST"]),
            self.key(),
        ]
    }

    fn copy(&mut self) -> Words {
        let (from, to) = self.two_keys();
        let mut words = vec!["COPY".into(), from, to];
        if self.random.percent(30) {
            let database = if self.random.once_in(10) {
                self.garbage()
            } else {
                self.random.below(4).to_string().into()
            };
            words.extend([self.option("DB"), database]);
        }
        if self.random.percent(50) {
            words.push(self.option("REPLACE"));
        }
        words
    }

    fn rename(&mut self) -> Words {
        let (from, to) = self.two_keys();
        vec![self.one_of(&["RENAME", "RENAMENX"]), from, to]
    }

    fn moves(&mut self) -> Words {
        let database = match self.random.below(12) {
            0 => self
                .random
                .pick(&["16", "-1", "9223372036854775807"])
                .into(),
            1 => self.not_integer(),
            _ => self.random.below(3).to_string().into(),
        };
        vec!["MOVE".into(), self.key(), database]
    }

    fn single_key(&mut self) -> Words {
        vec![self.one_of(&["TYPE", "TYPE", "DUMPLING"]), self.key()]
    }

    fn object(&mut self) -> Words {
        let about = self.one_of(&[
            "ENCODING", "ENCODING", "ENCODING", "REFCOUNT", "IDLETIME", "FREQ", "NOPE",
        ]);
        vec!["OBJECT".into(), about, self.key()]
    }

    fn keys(&mut self) -> Words {
        let pattern = self.random.pick(&[
            "*", "s?", "b*", "[sb]1", "[^b]*", "s[1-3]", "\\s1", "*1*", "", "?", "[", "b[",
            "s[3-1]", "**2", "s1", "[a-", "\\", "*\\", "[\\s]1",
        ]);
        vec!["KEYS".into(), pattern.into()]
    }

    fn scan(&mut self) -> Words {
        let mut words: Words = vec!["SCAN".into(), "0".into(), "COUNT".into(), "1000000".into()];
        match self.random.below(6) {
            0 => words.extend([self.option("MATCH"), "b*".into()]),
            1 => words.extend([
                self.option("TYPE"),
                self.one_of(&["string", "list", "bitmap", "hash"]),
            ]),
            2 => words.extend([
                self.option("MATCH"),
                "*1".into(),
                self.option("TYPE"),
                "string".into(),
            ]),
            3 => words[3] = self.random.pick(&["0", "-1", "abc", ""]).into(),
            4 => words[1] = self.random.pick(&["abc", "-1", "", " 0"]).into(),
            _ => {}
        }
        words
    }

    // ------------------------------------------------------------------------------------------- transactions

    fn multi(&mut self) -> Words {
        vec!["MULTI".into()]
    }

    fn exec(&mut self) -> Words {
        vec!["EXEC".into()]
    }

    fn discard(&mut self) -> Words {
        vec!["DISCARD".into()]
    }

    fn watch(&mut self) -> Words {
        self.many_keys("WATCH")
    }

    fn unwatch(&mut self) -> Words {
        vec!["UNWATCH".into()]
    }

    // ------------------------------------------------------------------------------------------- the rest

    fn select(&mut self) -> Words {
        let database = match self.random.below(12) {
            0 => self
                .random
                .pick(&["16", "-1", "15", "2147483648", "9223372036854775808"])
                .into(),
            1 => self.not_integer(),
            _ => self.random.below(3).to_string().into(),
        };
        if self.random.once_in(4) {
            return vec![
                "SWAPDB".into(),
                self.random.below(3).to_string().into(),
                database,
            ];
        }
        vec!["SELECT".into(), database]
    }

    fn hello(&mut self) -> Words {
        match self.random.below(8) {
            0 => vec!["HELLO".into()],
            1 => vec!["HELLO".into(), self.garbage()],
            2 => vec![
                "HELLO".into(),
                "3".into(),
                self.option("SETNAME"),
                self.small_value(),
            ],
            3 => vec!["RESET".into()],
            turn => vec![
                "HELLO".into(),
                if turn % 2 == 0 {
                    "2".into()
                } else {
                    "3".into()
                },
            ],
        }
    }

    fn connection(&mut self) -> Words {
        match self.random.below(10) {
            0 => vec!["PING".into()],
            1 => vec!["PING".into(), self.small_value()],
            2 => vec!["ECHO".into(), self.small_value()],
            3 => vec!["CLIENT".into(), self.option("SETNAME"), self.small_value()],
            4 => vec!["CLIENT".into(), self.option("GETNAME")],
            5 => vec![
                "CLIENT".into(),
                self.option("SETINFO"),
                self.one_of(&["LIB-NAME", "LIB-VER", "OTHER"]),
                self.small_value(),
            ],
            6 => vec!["CLIENT".into(), self.one_of(&["ID", "INFO"])],
            7 => vec![
                "CLIENT".into(),
                self.one_of(&["NO-EVICT", "NO-TOUCH"]),
                self.one_of(&["ON", "OFF", "MAYBE"]),
            ],
            8 => vec!["AUTH".into(), "password".into()],
            _ => vec!["AUTH".into(), "default".into(), "password".into()],
        }
    }

    fn server(&mut self) -> Words {
        match self.random.below(8) {
            0 => vec!["TIME".into()],
            1 => vec!["ROLE".into()],
            2 => vec![
                "WAIT".into(),
                "0".into(),
                self.random.pick(&["0", "10", "-1", "x"]).into(),
            ],
            3 => vec!["MEMORY".into(), "USAGE".into(), self.key()],
            4 => vec![
                "DEBUG".into(),
                "DIGEST-VALUE".into(),
                self.key(),
                self.key(),
            ],
            5 => vec!["RANDOMKEY".into()],
            6 => vec![
                "DEBUG".into(),
                "STRINGMATCH-LEN".into(),
                "200".into(),
                "a*b".into(),
            ],
            _ => vec!["DBSIZE".into()],
        }
    }

    fn flush(&mut self) -> Words {
        let mut words = vec![self.one_of(&["FLUSHDB", "FLUSHDB", "FLUSHDB", "FLUSHALL"])];
        if self.random.percent(30) {
            words.push(self.one_of(&["SYNC", "ASYNC", "NEVER"]));
        }
        words
    }

    fn getkeys(&mut self) -> Words {
        let index = self.random.below(COMMANDS.len() as u64) as usize;
        let about = COMMANDS[index].1(self);
        let mut words = vec![
            "COMMAND".into(),
            self.one_of(&["GETKEYS", "GETKEYS", "GETKEYSANDFLAGS"]),
        ];
        words.extend(about);
        words
    }

    fn unknown(&mut self) -> Words {
        match self.random.below(4) {
            0 => vec![
                self.one_of(&["OBJECT", "CLIENT", "COMMAND", "CONFIG", "MEMORY", "DEBUG"]),
                "NOSUCHTHING".into(),
                self.garbage(),
            ],
            1 => vec![self.one_of(&[
                "SETBITS",
                "GETBITS",
                "X",
                "SET\r\nBIT",
                "bit count",
                "\x01\x02",
            ])],
            _ => {
                let mut words = vec!["NOSUCHCOMMAND".into()];
                for _ in 0..self.random.below(6) {
                    words.push(self.small_value());
                }
                words
            }
        }
    }
}
