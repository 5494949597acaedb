//! A whole RDB file, item by item.

use std::io::{Read, Write};

use super::format::{CHECKSUM_SINCE, LONGEST, MAGIC, NEWEST, STRING, length, opcode};
use super::input::{Input, Length, ROOM};
use super::lzf::{Pages, decompress};
use super::skip::{self, skip};
use super::{Error, Hint, Kinds};
use crate::bits::{Bitmap, View};

/// What a file is made of.
#[derive(Debug)]
pub enum Item<'r> {
    /// A fact about the file: its name and its value.
    Fact(&'r [u8], &'r [u8]),
    /// The entries that follow belong to the database with this number, which may be any.
    Database(u64),
    /// How many keys the database has, and how many of them expire: hints, which may be wrong.
    Sizes { keys: u64, expiring: u64 },
    Entry {
        key: &'r [u8],
        value: Loaded<'r>,
        /// In milliseconds since the Unix epoch. May have passed.
        expires_at: Option<i64>,
        hint: Hint,
    },
}

/// A string out of a file.
#[derive(Debug)]
pub enum Loaded<'r> {
    /// At most 64 KiB.
    Bytes(&'r [u8]),
    Bitmap(Bitmap),
}

impl Loaded<'_> {
    pub fn view(&self) -> View<'_> {
        match self {
            Loaded::Bytes(bytes) => View::Flat(bytes),
            Loaded::Bitmap(bitmap) => View::Chunked(bitmap),
        }
    }
}

/// Reads a file from any source, through a buffer of its own.
///
/// Takes no more memory than what it hands out, and none for what has only been announced.
pub struct Reader<R> {
    input: Input<R>,
    version: u16,
    /// Whether the checksum is compared, where the file has one (`rdbchecksum`).
    checked: bool,
    ended: bool,
    passed_over: Kinds,
    key: Vec<u8>,
    scratch: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    pub fn new(source: R, checked: bool) -> Result<Self, Error> {
        let mut input = Input::new(source);
        if input.take(MAGIC.len())? != MAGIC {
            return Err(Error::Signature);
        }
        let digits: [u8; 4] = input.array()?;
        let text = String::from_utf8_lossy(&digits);
        let version = match text.parse() {
            Ok(version @ 1..=NEWEST) if digits.iter().all(u8::is_ascii_digit) => version,
            _ => return Err(Error::Version(text.into_owned())),
        };
        Ok(Self {
            input,
            version,
            checked,
            ended: false,
            passed_over: Kinds::default(),
            key: Vec::new(),
            scratch: Vec::new(),
        })
    }

    /// The version of the file.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// How many bytes of the file have been read.
    pub fn at(&self) -> u64 {
        self.input.at()
    }

    /// What has been passed over so far, because it is not a string.
    pub fn passed_over(&self) -> &Kinds {
        &self.passed_over
    }

    /// What the source has after the end of the file: the bytes that were read ahead, then the source itself.
    pub fn into_rest(self) -> (Vec<u8>, R) {
        self.input.into_rest()
    }

    /// The next item; `None` at the end of the file, once its checksum has been compared.
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, Error> {
        if self.ended {
            return Ok(None);
        }
        let (mut expires_at, mut hint) = (None, Hint::None);
        loop {
            self.input.within = "the list of its keys";
            let code = self.input.byte()?;
            match code {
                opcode::EXPIRETIME_MS => {
                    expires_at = Some(i64::from_le_bytes(self.input.array()?));
                }
                opcode::EXPIRETIME => {
                    let seconds = i32::from_le_bytes(self.input.array()?);
                    expires_at = Some(i64::from(seconds) * 1000);
                }
                opcode::IDLE => hint = Hint::Idle(self.input.length()?),
                opcode::FREQ => hint = Hint::Frequency(self.input.byte()?),
                opcode::SELECTDB => return Ok(Some(Item::Database(self.input.length()?))),
                opcode::RESIZEDB => {
                    let (keys, expiring) = (self.input.length()?, self.input.length()?);
                    return Ok(Some(Item::Sizes { keys, expiring }));
                }
                opcode::SLOT_INFO => {
                    for _slot_and_its_sizes in 0..3 {
                        self.input.length()?;
                    }
                }
                opcode::AUX => {
                    read_text(&mut self.input, &mut self.key)?;
                    read_text(&mut self.input, &mut self.scratch)?;
                    return Ok(Some(Item::Fact(&self.key, &self.scratch)));
                }
                opcode::FUNCTION2 => {
                    skip::string(&mut self.input)?;
                    self.passed_over.count("function library");
                }
                opcode::FUNCTION_PRE_GA => {
                    return self
                        .input
                        .corrupt("a function library of a Redis before 7.0");
                }
                opcode::MODULE_AUX => {
                    skip::module(&mut self.input)?;
                    self.passed_over.count("module's own data");
                }
                opcode::EOF => {
                    self.end()?;
                    return Ok(None);
                }
                STRING => {
                    self.input.within = "a key";
                    read_text(&mut self.input, &mut self.key)?;
                    self.input.within = "a value";
                    let value = read_string(&mut self.input, &mut self.scratch, &mut || true)?;
                    return Ok(Some(Item::Entry {
                        key: &self.key,
                        value,
                        expires_at,
                        hint,
                    }));
                }
                kind => {
                    let at = self.input.at() - 1;
                    let name = skip::name(kind).ok_or(Error::Type { at, kind })?;
                    self.input.within = "a key";
                    skip::string(&mut self.input)?;
                    self.input.within = "a value";
                    skip(&mut self.input, kind)?;
                    self.passed_over.count(name);
                    (expires_at, hint) = (None, Hint::None);
                }
            }
        }
    }

    fn end(&mut self) -> Result<(), Error> {
        if self.version >= CHECKSUM_SINCE {
            self.input.within = "its checksum";
            let (at, computed) = (self.input.at(), self.input.sum());
            let found = u64::from_le_bytes(self.input.array()?);
            if self.checked && found != 0 && found != computed {
                return Err(Error::Checksum {
                    at,
                    found,
                    computed,
                });
            }
        }
        self.ended = true;
        Ok(())
    }
}

/// Reads a string that is needed flat: a key, a name.
fn read_text<R: Read>(input: &mut Input<R>, into: &mut Vec<u8>) -> Result<(), Error> {
    into.clear();
    match input.length_or_encoding()? {
        Length::Plain(len) => input.each(len, |bytes| into.extend_from_slice(bytes)),
        Length::Encoded(length::LZF) => {
            let (compressed, len) = compressed_lengths(input)?;
            decompress(input, compressed, len, into)
        }
        Length::Encoded(encoding) => read_integer(input, encoding, into),
    }
}

/// Reads a string: short ones as bytes, which lie in the input's buffer or in `scratch`, others as bitmaps.
pub(super) fn read_string<'r, R: Read>(
    input: &'r mut Input<R>,
    scratch: &'r mut Vec<u8>,
    room: &mut dyn FnMut() -> bool,
) -> Result<Loaded<'r>, Error> {
    const SHORT: u64 = ROOM as u64;
    match input.length_or_encoding()? {
        Length::Plain(len @ 0..=SHORT) => Ok(Loaded::Bytes(input.take(len as usize)?)),
        Length::Plain(len) => {
            let mut bitmap = Bitmap::new();
            let mut at = 0;
            check_length(input, len)?;
            input.each(len, |bytes| {
                bitmap.write(at, bytes);
                at += bytes.len() as u64;
            })?;
            Ok(Loaded::Bitmap(bitmap))
        }
        Length::Encoded(length::LZF) => {
            let (compressed, len) = compressed_lengths(input)?;
            if len <= SHORT {
                scratch.clear();
                decompress(input, compressed, len, scratch)?;
                return Ok(Loaded::Bytes(scratch));
            }
            let mut pages = Pages::new(room);
            decompress(input, compressed, len, &mut pages)?;
            let bitmap = pages.finish().ok_or(Error::Room)?;
            Ok(Loaded::Bitmap(bitmap))
        }
        Length::Encoded(encoding) => {
            scratch.clear();
            read_integer(input, encoding, scratch)?;
            Ok(Loaded::Bytes(scratch))
        }
    }
}

fn compressed_lengths<R: Read>(input: &mut Input<R>) -> Result<(u64, u64), Error> {
    let (compressed, len) = (input.length()?, input.length()?);
    check_length(input, len)?;
    Ok((compressed, len))
}

fn check_length<R: Read>(input: &Input<R>, len: u64) -> Result<(), Error> {
    if len > LONGEST {
        return input.corrupt("a string longer than there can be");
    }
    Ok(())
}

fn read_integer<R: Read>(
    input: &mut Input<R>,
    encoding: u8,
    into: &mut Vec<u8>,
) -> Result<(), Error> {
    let integer = match encoding {
        length::INT8 => i8::from_le_bytes(input.array()?).into(),
        length::INT16 => i16::from_le_bytes(input.array()?).into(),
        length::INT32 => i32::from_le_bytes(input.array()?),
        _ => return input.corrupt("no string is encoded so"),
    };
    write!(into, "{integer}").expect("memory takes what is written");
    Ok(())
}
